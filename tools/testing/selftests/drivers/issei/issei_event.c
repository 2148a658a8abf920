// SPDX-License-Identifier: GPL-2.0
/* What the kernel tells: uevents and its log. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "issei_util.h"

int uevent_open(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	int size = 1 << 20;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -errno;
	}
	return fd;
}

/*
 * The next event "@action@...@path_part...", its properties as lines. The text
 * stays until the next call.
 */
const char *uevent_wait(int fd, const char *action, const char *path_part, int timeout_ms)
{
	static char event[8192];
	uint64_t end = now_ms() + timeout_ms;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = end - now_ms();
		ssize_t len;

		if (left < 0 || poll(&p, 1, left) <= 0)
			return NULL;
		len = recv(fd, event, sizeof(event) - 1, 0);
		if (len <= 0)
			return NULL;
		event[len] = '\0';
		if (strncmp(event, action, strlen(action)) || event[strlen(action)] != '@' ||
		    !strstr(event, path_part))
			continue;
		for (ssize_t i = 0; i < len; i++)
			if (!event[i])
				event[i] = '\n';
		return event;
	}
}

bool uevent_has(const char *event, const char *property)
{
	size_t len = strlen(property);

	for (const char *line = event; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, property, len) && (line[len] == '\n' || !line[len]))
			return true;
	}
	return false;
}

/* The kernel log from now on; kmsg_next() gives one line of it, 0 when there is none. */
int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

static ssize_t kmsg_record(int fd, char *record, size_t size)
{
	ssize_t len;

	do {
		len = read(fd, record, size - 1);
	} while (len < 0 && errno == EPIPE);
	if (len <= 0)
		return len < 0 && errno != EAGAIN ? -errno : 0;
	record[len] = '\0';
	return len;
}

ssize_t kmsg_next(int fd, char *line, size_t size)
{
	char record[2048], *text;
	ssize_t len = kmsg_record(fd, record, sizeof(record));

	if (len <= 0)
		return len;
	text = strchr(record, ';');
	text = text ? text + 1 : record;
	text[strcspn(text, "\n")] = '\0';
	return snprintf(line, size, "%s", text) + 1;
}

/* Lines with @part in them that are as bad as @level (KERN_WARNING is 4), or worse. */
int kmsg_count(int fd, const char *part, int level)
{
	char record[2048];
	int count = 0;

	/* level and facility, other numbers; text */
	while (kmsg_record(fd, record, sizeof(record)) > 0)
		count += (atoi(record) & 7) <= level && strstr(record, part);
	return count;
}
