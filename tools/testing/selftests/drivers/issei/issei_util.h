/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the drivers behind /dev/issei<N> share. Calls return what the
 * system call returned, or -errno, so that one comparison checks both.
 */
#ifndef ISSEI_UTIL_H
#define ISSEI_UTIL_H

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/issei.h>

#include "kselftest.h"

/* not in <linux/issei.h>: Intel's user library defines it */
#ifndef IOCTL_ISSEI_DRIVER_STATUS
#define IOCTL_ISSEI_DRIVER_STATUS _IOR('H', 0x03, __u32)
#endif
#define ISSEI_STATUS_IN_RESET	0x1
#define ISSEI_STATUS_RESETS(s)	(((s) >> 8) & 0xff)	/* since the driver was bound */

#define ISSEI_MAX_FILES		255
#define ISSEI_SECTION		65536
#define ISSEI_HEADER		20
#define ECHO_MTU		5120
#define BULK_MTU		(ISSEI_SECTION - ISSEI_HEADER)

/*
 * How many times slower the kernel may be than one without debugging: the limits that tests
 * set for something to happen grow by it, those of the driver do not.
 */
#ifndef SLOWNESS
#define SLOWNESS		1
#endif

#define LINK_UP_MS		(5000 * SLOWNESS) /* two steps at their limit, and a reserve */
#define HOLD_MS			600	/* see model_hold() */
#define PROMPT_MS		(1000 * SLOWNESS) /* what must happen "at once", on a slow machine */

#ifdef TEST_HARNESS_MAIN
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	(30 * SLOWNESS)
#undef TEST_F_TIMEOUT
#define TEST_F_TIMEOUT(fixture, test, seconds) \
	__TEST_F_IMPL(fixture, test, -1, (seconds) * SLOWNESS)
#endif

/* The firmware clients of the device model; a real engine has at least SPDM. */
typedef uint8_t issei_uuid[ISSEI_IOCTL_UUID_LEN];
extern const issei_uuid SPDM, ECHO_A, ECHO_B, BULK, LATE, UNASKED, NOBODY;

/* /dev/issei<N> */
int issei_open(unsigned int dev, int flags);
int issei_connect(int fd, const issei_uuid uuid, struct issei_client *properties);
int issei_disconnect(int fd);
int issei_ioctl(int fd, unsigned long cmd, const void *arg);
int issei_open_connected(unsigned int dev, int flags, const issei_uuid uuid);
ssize_t issei_read(int fd, void *buf, size_t len);
ssize_t issei_write(int fd, const void *buf, size_t len);
int issei_poll(int fd, short events, int timeout_ms);
int issei_wait_up(unsigned int dev, int timeout_ms);
int issei_wait_connect(int fd, const issei_uuid uuid, int timeout_ms);

/* 0 if @len bytes of a pattern made from @seed came back as they went out. */
int issei_echo(int fd, size_t len, uint32_t seed);
void issei_fill(uint8_t *buf, size_t len, uint32_t seed);

/* One call on a file, blocked in a thread of its own. */
struct issei_call {
	enum { CALL_READ, CALL_WRITE, CALL_POLL } what;
	int fd;
	size_t len;
	short events;
	ssize_t result;		/* as of issei_read(), issei_write(), issei_poll() */
	uint64_t ended_ms;
	pid_t tid;
	bool done;
	pthread_t thread;
};

int issei_call_start(struct issei_call *call);
ssize_t issei_call_end(struct issei_call *call, int timeout_ms);

/* sysfs, procfs, programs */
int issei_sysfs_path(unsigned int dev, char *path, size_t size, const char *file);
ssize_t issei_sysfs_read(unsigned int dev, const char *file, char *buf, size_t size);
ssize_t file_read(const char *path, char *buf, size_t size);
int file_write(const char *path, const char *text);
int issei_driver(unsigned int dev, char *name, size_t size);
bool issei_is_c_driver(unsigned int dev);
int issei_pci_name(unsigned int dev, char *name, size_t size);
int issei_irq_count(unsigned int dev, uint64_t *count);
int issei_count_devices(void);
int issei_wait_agent(unsigned int dev, int timeout_ms);
int wait_for_file(const char *path, bool present, int timeout_ms);
int run(const char *format, ...) __printf(1, 2);
void catch_signal(int sig);
uint64_t now_ms(void);
uint64_t now_us(void);
void sleep_ms(unsigned int ms);

/* System sleep: sleep_test() goes as far as @level of /sys/power/pm_test. */
bool can_sleep(void);
int sleep_and_reopen_ports(const char *state);
int sleep_test(const char *level);

/*
 * The control port of the device model, one JSON line each way. In requests ' stands
 * for ".
 */
struct model_counters {
	uint64_t mmio_read;
	uint64_t mmio_write;
	uint64_t interrupts;
	uint64_t doorbells;
	uint64_t h2f;
	uint64_t f2h;
	uint64_t resets_host;
	uint64_t resets_firmware;
	uint64_t d3hot;
};

bool model_present(unsigned int dev);
int model_ask(unsigned int dev, char *answer, size_t size, const char *format, ...)
	__printf(4, 5);
int model_do(unsigned int dev, const char *format, ...) __printf(2, 3);
int model_counters(unsigned int dev, struct model_counters *counters);
int model_hold(unsigned int dev, bool hold);
int model_defaults(unsigned int dev);
const char *json_find(const char *json, const char *key);
uint64_t json_u64(const char *json, const char *object, const char *key);

/* Kernel events: uevent_wait() returns the properties as lines, or NULL in time. */
int uevent_open(void);
const char *uevent_wait(int fd, const char *action, const char *path_part, int timeout_ms);
bool uevent_has(const char *event, const char *property);
int kmsg_open(void);
ssize_t kmsg_next(int fd, char *line, size_t size);
int kmsg_count(int fd, const char *part, int level);

/* Drivers by the name under which they stand in /sys/bus/pci/drivers. */
#define RUST_DRIVER	"issei_rust"
#define C_DRIVER	"issei_heci"
int driver_load(const char *driver);
int driver_load_quiet(const char *driver);
int driver_unload(const char *driver);
bool driver_is_loaded(const char *driver);
bool driver_is_available(const char *driver);
uint64_t driver_thread_switches(void);

/*
 * Intel's C driver is known to differ: @row names the row of
 * Documentation/driver-api/issei_rust-differences.rst. What the C driver does instead
 * is asserted before, so the row is true as long as the result is XFAIL.
 */
#define C_DRIVER_DIFFERS(row)							\
	do {									\
		if (_metadata->exit_code == KSFT_PASS) {			\
			snprintf(_metadata->results->reason,			\
				 sizeof(_metadata->results->reason),		\
				 "C driver differs: " row);			\
			_metadata->exit_code = KSFT_XFAIL;			\
		}								\
	} while (0)

#endif /* ISSEI_UTIL_H */
