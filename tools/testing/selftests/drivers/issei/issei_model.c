// SPDX-License-Identifier: GPL-2.0
/* The control port of the device model: one JSON line each way. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "issei_util.h"

#define ANSWER_MS (5000 * SLOWNESS)

static void port_path(unsigned int dev, char *path, size_t size)
{
	snprintf(path, size, "/dev/virtio-ports/heci%u", dev);
}

bool model_present(unsigned int dev)
{
	char path[64];

	port_path(dev, path, sizeof(path));
	return !access(path, R_OK | W_OK);
}

/* A port admits one program at a time, and needs a moment until its other end is there. */
static int port_open(unsigned int dev)
{
	uint64_t end = now_ms() + ANSWER_MS;
	char path[64];

	port_path(dev, path, sizeof(path));
	do {
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd < 0 && errno != EBUSY && errno != ENOENT && errno != ENXIO)
			return -errno;
		if (fd >= 0) {
			if (issei_poll(fd, POLLOUT, PROMPT_MS) == POLLOUT)
				return fd;
			close(fd);
		}
		usleep(1000);
	} while (now_ms() < end);
	return -ETIMEDOUT;
}

static int line_read(int fd, char *buf, size_t size)
{
	uint64_t end = now_ms() + ANSWER_MS;
	size_t len = 0;

	while (len < size - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = end - now_ms();
		ssize_t ret;

		if (left < 0 || poll(&p, 1, left) <= 0)
			return -ETIMEDOUT;
		ret = read(fd, buf + len, size - 1 - len);
		if (ret <= 0)
			return ret < 0 ? -errno : -EPIPE;
		len += ret;
		buf[len] = '\0';
		if (buf[len - 1] == '\n')
			return 0;
	}
	return -EMSGSIZE;
}

static int ask(unsigned int dev, char *answer, size_t size, const char *format, va_list args)
{
	char *request = NULL;
	int len, fd, ret;

	len = vasprintf(&request, format, args);
	if (len < 0)
		return -ENOMEM;
	for (char *at = request; (at = strchr(at, '\''));)
		*at = '"';
	fd = port_open(dev);
	if (fd < 0) {
		fprintf(stderr, "# model: no control port: error %d\n", fd);
		free(request);
		return fd;
	}
	request[len] = '\n';	/* in place of the NUL */
	ret = write(fd, request, len + 1) == len + 1 ? line_read(fd, answer, size) : -errno;
	close(fd);
	if (ret)
		fprintf(stderr, "# model: %.*s: error %d\n", len, request, ret);
	if (!ret && !strstr(answer, "\"ok\":true")) {
		fprintf(stderr, "# model: %.*s: %s", len, request, answer);
		ret = -EPROTO;
	}
	free(request);
	return ret;
}

int model_ask(unsigned int dev, char *answer, size_t size, const char *format, ...)
{
	va_list args;
	int ret;

	va_start(args, format);
	ret = ask(dev, answer, size, format, args);
	va_end(args);
	return ret;
}

int model_do(unsigned int dev, const char *format, ...)
{
	char answer[4096];
	va_list args;
	int ret;

	va_start(args, format);
	ret = ask(dev, answer, sizeof(answer), format, args);
	va_end(args);
	return ret;
}

/* What follows `"key":`, or NULL. */
const char *json_find(const char *json, const char *key)
{
	char name[64];
	const char *at;

	snprintf(name, sizeof(name), "\"%s\":", key);
	at = json ? strstr(json, name) : NULL;
	return at ? at + strlen(name) : NULL;
}

/* The number @key in the object @object (NULL: at the top); ~0 if there is none. */
uint64_t json_u64(const char *json, const char *object, const char *key)
{
	const char *at = json_find(object ? json_find(json, object) : json, key);

	return at ? strtoull(at, NULL, 10) : ~0ull;
}

int model_counters(unsigned int dev, struct model_counters *counters)
{
	char answer[4096];
	int ret = model_ask(dev, answer, sizeof(answer), "{\"cmd\":\"counters\"}");

	if (ret)
		return ret;
	*counters = (struct model_counters) {
		.mmio_read = json_u64(answer, "mmio_read", "total"),
		.mmio_write = json_u64(answer, "mmio_write", "total"),
		.interrupts = json_u64(answer, NULL, "interrupts"),
		.doorbells = json_u64(answer, NULL, "doorbells"),
		.h2f = json_u64(answer, "messages", "h2f"),
		.f2h = json_u64(answer, "messages", "f2h"),
		.resets_host = json_u64(answer, "resets", "host"),
		.resets_firmware = json_u64(answer, "resets", "firmware"),
		.d3hot = json_u64(answer, NULL, "d3hot"),
	};
	return 0;
}

/*
 * While held, the firmware leaves a message in the host's section for HOLD_MS, which is
 * less than what drivers take for a stuck link.
 */
int model_hold(unsigned int dev, bool hold)
{
	return model_do(dev, "{\"cmd\":\"set\",\"consume_latency_us\":%d}", hold ? HOLD_MS * 1000 : 0);
}

int model_defaults(unsigned int dev)
{
	int ret = model_do(dev, "{\"cmd\":\"clear_faults\"}");

	if (ret)
		return ret;
	ret = model_do(dev, "{\"cmd\":\"set\",\"notify\":\"response\",\"ready_latency_us\":1000}");
	if (ret)
		return ret;
	return model_do(dev, "{\"cmd\":\"set\",\"%s\":0,\"%s\":0,\"%s\":0}", "response_latency_us",
			"consume_latency_us", "write_delay_us");
}
