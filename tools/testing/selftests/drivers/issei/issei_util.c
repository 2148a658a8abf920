// SPDX-License-Identifier: GPL-2.0
/* Calls on /dev/issei<N>, alone and blocked in a thread. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "issei_util.h"

const issei_uuid SPDM = {
	0xe8, 0x51, 0x49, 0xdf, 0x94, 0x47, 0x4c, 0x9a, 0x83, 0x67, 0xc4, 0xe3, 0x34, 0x64, 0xf1, 0xb4
};
const issei_uuid ECHO_A = {
	0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44
};
const issei_uuid ECHO_B = {
	0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11
};
const issei_uuid BULK = {
	0x62, 0x75, 0x6c, 0x6b, 0x65, 0x63, 0x68, 0x6f, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01
};
const issei_uuid LATE = {
	0x6c, 0x61, 0x74, 0x65, 0x65, 0x63, 0x68, 0x6f, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02
};
const issei_uuid UNASKED = {
	0x75, 0x6e, 0x61, 0x73, 0x6b, 0x65, 0x64, 0x21, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03
};
const issei_uuid NOBODY = { 0xde, 0xad };

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

uint64_t now_ms(void)
{
	return now_us() / 1000;
}

void sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

static void nothing(int sig)
{
	(void)sig;
}

/* The signal interrupts calls and does nothing else. */
void catch_signal(int sig)
{
	struct sigaction action = { .sa_handler = nothing };

	sigaction(sig, &action, NULL);
}

int issei_open(unsigned int dev, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/issei%u", dev);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int issei_ioctl(int fd, unsigned long cmd, const void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

int issei_connect(int fd, const issei_uuid uuid, struct issei_client *properties)
{
	struct issei_connect_client_data data;
	int ret;

	memcpy(data.in_client_uuid, uuid, sizeof(data.in_client_uuid));
	ret = issei_ioctl(fd, IOCTL_ISSEI_CONNECT_CLIENT, &data);
	if (!ret && properties)
		*properties = data.out_client_properties;
	return ret;
}

int issei_disconnect(int fd)
{
	return issei_ioctl(fd, IOCTL_ISSEI_DISCONNECT_CLIENT, NULL);
}

int issei_open_connected(unsigned int dev, int flags, const issei_uuid uuid)
{
	int fd = issei_open(dev, flags);
	int ret;

	if (fd < 0)
		return fd;
	ret = issei_connect(fd, uuid, NULL);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

ssize_t issei_read(int fd, void *buf, size_t len)
{
	ssize_t ret = read(fd, buf, len);

	return ret < 0 ? -errno : ret;
}

ssize_t issei_write(int fd, const void *buf, size_t len)
{
	ssize_t ret = write(fd, buf, len);

	return ret < 0 ? -errno : ret;
}

/* The events that are set; 0 when none came in time. */
int issei_poll(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int ret = poll(&p, 1, timeout_ms);

	return ret < 0 ? -errno : p.revents;
}

/*
 * 0 as soon as the link is up. A connect to a client that nobody has tells it
 * without a trace: ENODEV while the link is down, ENOTTY when it is up.
 */
int issei_wait_up(unsigned int dev, int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;
	int ret;

	do {
		int fd = issei_open(dev, O_RDWR);

		ret = fd;
		if (fd >= 0) {
			ret = issei_connect(fd, NOBODY, NULL);
			close(fd);
			if (ret == -ENOTTY)
				return 0;
		}
		usleep(1000);
	} while (now_ms() < end);
	return ret;
}

/* Connects as soon as the link is up and the client is free. */
int issei_wait_connect(int fd, const issei_uuid uuid, int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;
	int ret;

	do {
		ret = issei_connect(fd, uuid, NULL);
		if (ret != -ENODEV && ret != -EBUSY && ret != -ENOTTY)
			return ret;
		usleep(1000);
	} while (now_ms() < end);
	return ret;
}

/* A pattern in which no shift and no other seed looks the same. */
void issei_fill(uint8_t *buf, size_t len, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		buf[i] = x >> 24;
	}
}

int issei_echo(int fd, size_t len, uint32_t seed)
{
	uint8_t *out = malloc(2 * ISSEI_SECTION);
	uint8_t *in = out + ISSEI_SECTION;
	ssize_t ret;

	if (!out)
		return -ENOMEM;
	issei_fill(out, len, seed);
	ret = issei_write(fd, out, len);
	if (ret >= 0 && (size_t)ret != len)
		ret = -EIO;
	if (ret >= 0)
		ret = issei_read(fd, in, ISSEI_SECTION);
	if (ret >= 0)
		ret = (size_t)ret == len && !memcmp(in, out, len) ? 0 : -EBADMSG;
	free(out);
	return ret;
}

static void *call_run(void *arg)
{
	struct issei_call *call = arg;
	uint8_t *buf = calloc(1, ISSEI_SECTION);

	__atomic_store_n(&call->tid, gettid(), __ATOMIC_RELEASE);
	if (!buf)
		call->result = -ENOMEM;
	else if (call->what == CALL_READ)
		call->result = issei_read(call->fd, buf, call->len);
	else if (call->what == CALL_WRITE)
		call->result = issei_write(call->fd, buf, call->len);
	else
		call->result = issei_poll(call->fd, call->events, -1);
	call->ended_ms = now_ms();
	__atomic_store_n(&call->done, true, __ATOMIC_RELEASE);
	free(buf);
	return NULL;
}

/* 0 once the thread sleeps in its call; -EALREADY if the call did not block. */
int issei_call_start(struct issei_call *call)
{
	static const int number[] = {
		[CALL_READ] = SYS_read, [CALL_WRITE] = SYS_write, [CALL_POLL] = SYS_poll,
	};
	char path[64], text[128];
	uint64_t end = now_ms() + PROMPT_MS;
	pid_t tid;

	call->tid = 0;
	call->done = false;
	if (pthread_create(&call->thread, NULL, call_run, call))
		return -EAGAIN;
	while (!(tid = __atomic_load_n(&call->tid, __ATOMIC_ACQUIRE)))
		usleep(100);
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	while (now_ms() < end) {
		if (__atomic_load_n(&call->done, __ATOMIC_ACQUIRE))
			return -EALREADY;
		/* "running" while it runs, the number of the call while it sleeps in it */
		if (file_read(path, text, sizeof(text)) > 0 && text[0] != 'r' &&
		    atoi(text) == number[call->what])
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

/* What the call returned; -ETIMEDOUT if it did not return in time. */
ssize_t issei_call_end(struct issei_call *call, int timeout_ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += timeout_ms / 1000;
	ts.tv_nsec += timeout_ms % 1000 * 1000000l;
	if (ts.tv_nsec >= 1000000000l) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000l;
	}
	if (pthread_timedjoin_np(call->thread, NULL, &ts))
		return -ETIMEDOUT;
	return call->result;
}
