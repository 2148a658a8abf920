/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The user interface of /dev/issei<N>: <linux/issei.h> where the kernel headers
 * have it (7.2 and later), the same definitions otherwise, and the status ioctl,
 * which only Intel's user library knows.
 */
#ifndef ISSEI_UAPI_H
#define ISSEI_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#if __has_include("linux/issei.h")
#include <linux/issei.h>
#else
#define ISSEI_IOCTL_UUID_LEN 16

struct issei_client {
	__u32 max_msg_length;
	__u8 protocol_version;
	__u8 reserved1[3];
	__u32 flags;
	__u32 reserved2;
};

struct issei_connect_client_data {
	union {
		__u8 in_client_uuid[ISSEI_IOCTL_UUID_LEN];
		struct issei_client out_client_properties;
	};
};

#define IOCTL_ISSEI_CONNECT_CLIENT _IOWR('H', 0x01, struct issei_connect_client_data)
#define IOCTL_ISSEI_DISCONNECT_CLIENT _IO('H', 0x02)
#endif

#ifndef IOCTL_ISSEI_DRIVER_STATUS
/* bit 0: the link is in reset; bits 15:8: resets since the driver was bound */
#define IOCTL_ISSEI_DRIVER_STATUS _IOR('H', 0x03, __u32)
#endif
#define ISSEI_STATUS_IN_RESET	0x1
#define ISSEI_STATUS_RESETS(s)	(((s) >> 8) & 0xff)

#endif /* ISSEI_UAPI_H */
