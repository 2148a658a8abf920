// SPDX-License-Identifier: GPL-2.0
/* exchange UUID HEX: sends one message to a firmware client of /dev/issei0 and prints the answer in hexadecimal digits. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/issei.h>

/* Reads hexadecimal digits, over dashes; returns the number of bytes or -1. */
static int from_hex(const char *text, unsigned char *bytes, int size)
{
	int count = 0;

	for (; *text; text++) {
		unsigned int byte;

		if (*text == '-')
			continue;
		if (count == size || sscanf(text, "%2x", &byte) != 1)
			return -1;
		bytes[count++] = byte;
		text++;
		if (!*text)
			return -1;
	}
	return count;
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	struct issei_connect_client_data connect;
	unsigned char message[4096];
	struct pollfd wait;
	ssize_t length;
	int count, fd;

	memset(&connect, 0, sizeof(connect));
	if (argc != 3 || from_hex(argv[1], (unsigned char *)&connect, 16) != 16)
		return fprintf(stderr, "usage: exchange UUID HEX\n"), 2;
	count = from_hex(argv[2], message, sizeof(message));
	if (count <= 0)
		return fprintf(stderr, "'%s' is not a message in hexadecimal digits\n", argv[2]), 2;

	fd = open("/dev/issei0", O_RDWR);
	if (fd < 0)
		return fail("open /dev/issei0");
	if (ioctl(fd, IOCTL_ISSEI_CONNECT_CLIENT, &connect))
		return fail("connect");
	if (write(fd, message, count) != count)
		return fail("write");
	wait = (struct pollfd){ .fd = fd, .events = POLLIN };
	if (poll(&wait, 1, 5000) != 1)
		return fail("no answer");
	length = read(fd, message, sizeof(message));
	if (length < 0)
		return fail("read");
	for (ssize_t i = 0; i < length; i++)
		printf("%02x", message[i]);
	putchar('\n');
	return close(fd);
}
