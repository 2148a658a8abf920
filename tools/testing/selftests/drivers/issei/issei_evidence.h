/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The netlink family issei-evidence, message by message, for requests of any form. Calls
 * return what the system call returned, or -errno.
 */
#ifndef ISSEI_EVIDENCE_H
#define ISSEI_EVIDENCE_H

#include <linux/genetlink.h>
#include <linux/issei_evidence.h>

#include "issei_spdm.h"

#define EVIDENCE_TYPES	(ISSEI_EVIDENCE_TYPE_MEASUREMENTS + 1)
#define NONCE_SIZE	32
#define FRAGMENT_SIZE	3072

struct evidence_socket {
	int fd;
	uint16_t family;
	uint32_t group;		/* results */
};

/* -ENOENT: there is no such family. */
int evidence_open(struct evidence_socket *s);
int evidence_subscribe(struct evidence_socket *s);

struct evidence_request {
	uint8_t attributes[256];
	size_t len;
};

/* Without attributes, or with the name of a device and a nonce, if not NULL. */
void request_begin(struct evidence_request *r, const char *device, const uint8_t *nonce);
void request_put(struct evidence_request *r, uint16_t type, const void *data, size_t len);
void request_put_u32(struct evidence_request *r, uint16_t type, uint32_t value);

struct evidence_object {
	uint8_t data[SPDM_CHAIN_MAX + 4096];
	uint32_t len;		/* of what came */
	uint32_t length;	/* as the messages say */
	uint32_t hash_algo;
};

struct evidence {
	struct evidence_object object[EVIDENCE_TYPES];
	unsigned int types;		/* a bit for each type that came */
	unsigned int messages;
	uint32_t generation;		/* the same in all messages */
	uint32_t slot;
	char state[SPDM_TEXT];		/* of the first message */
	char why[SPDM_TEXT];		/* state of the last one */
	char ack[SPDM_TEXT];		/* the extended ACK, empty if there is none */
};

/*
 * Sends a request and reads all that comes. Returns what the dump ended with; -EBADMSG if
 * the messages are not as the specification has them.
 */
int evidence_send(struct evidence_socket *s, const struct evidence_request *r, uint8_t command,
		  uint16_t flags);
int evidence_receive(struct evidence_socket *s, struct evidence *e);
int evidence_dump(struct evidence_socket *s, const struct evidence_request *r,
		  struct evidence *e);

struct evidence_result {
	char device[32];
	char state[SPDM_TEXT];
	uint32_t generation;
	uint32_t fresh, anchored, pinned, accepted;
	bool has_digest;
	uint8_t digest[SHA256_SIZE];
	uint8_t log_head[SHA256_SIZE];
	uint64_t log_count;
};

/* -ETIMEDOUT: none came. */
int evidence_wait_result(struct evidence_socket *s, struct evidence_result *r, int timeout_ms);

#endif /* ISSEI_EVIDENCE_H */
