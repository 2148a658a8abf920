// SPDX-License-Identifier: GPL-2.0
/*
 * Asks the Silicon Security Engine for the versions of SPDM that it speaks.
 *
 * usage: spdm_versions [DEVICE]	(default /dev/issei0)
 *
 * One connection is one file: open the device, connect the file to a firmware client
 * by its UUID, write a message, read the answer, close. A write sends one message and
 * a read takes one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/issei.h>

#define TIMEOUT_MS 5000

static const uint8_t spdm_client[ISSEI_IOCTL_UUID_LEN] = {
	0xe8, 0x51, 0x49, 0xdf, 0x94, 0x47, 0x4c, 0x9a, 0x83, 0x67, 0xc4, 0xe3, 0x34, 0x64, 0xf1, 0xb4
};

/* GET_VERSION in the only version that this request has, SPDM 1.0 (DSP0274) */
static const uint8_t get_version[] = { 0x10, 0x84, 0x00, 0x00 };

static int fail(const char *device, const char *doing, const char *hint)
{
	fprintf(stderr, "%s: %s: %s%s%s\n", device, doing, strerror(errno), *hint ? "; " : "", hint);
	return 1;
}

static const char *open_hint(void)
{
	switch (errno) {
	case ENOENT:
		return "is there an engine, and is its driver loaded?";
	case EACCES:
		return "run as root, or let your group open the device (a udev rule)";
	case ENODEV:
	case ENXIO:
		return "the device does not answer or is gone";
	case EMFILE:
		return "too many files of the device are open";
	default:
		return "";
	}
}

static const char *connect_hint(void)
{
	switch (errno) {
	case EBUSY:
		return "another program is connected to the engine's SPDM client";
	case ENODEV:
		return "the link to the engine is not up: try again in a moment";
	case ENOTTY:
		return "the engine has no SPDM client, or this is not a device of the engine";
	default:
		return "";
	}
}

static const char *exchange_hint(void)
{
	switch (errno) {
	case EBUSY:
	case ENOTCONN:
		return "the engine was reset meanwhile: try again";
	case ENODEV:
		return "the device is gone";
	default:
		return "";
	}
}

/* The answer is 6 bytes, the last of them a count, and 16 bits for each version. */
static int print_versions(const char *device, const uint8_t *answer, size_t len)
{
	if (len < 6 || answer[1] != 0x04 || len < 6 + 2 * (size_t)answer[5]) {
		fprintf(stderr, "%s: the answer is no SPDM VERSION message (%zu bytes)\n", device, len);
		return 1;
	}
	for (int i = 0; i < answer[5]; i++) {
		uint8_t version = answer[7 + 2 * i];

		printf("%s%u.%u", i ? " " : "", version >> 4, version & 15);
	}
	putchar('\n');
	return 0;
}

int main(int argc, char **argv)
{
	const char *device = argc > 1 ? argv[1] : "/dev/issei0";
	struct issei_connect_client_data client;
	uint8_t answer[4096];
	struct pollfd wait;
	ssize_t len;
	int ready;

	wait.fd = open(device, O_RDWR | O_CLOEXEC);
	if (wait.fd < 0)
		return fail(device, "open", open_hint());

	memcpy(client.in_client_uuid, spdm_client, sizeof(spdm_client));
	if (ioctl(wait.fd, IOCTL_ISSEI_CONNECT_CLIENT, &client))
		return fail(device, "connect", connect_hint());

	if (write(wait.fd, get_version, sizeof(get_version)) < 0)
		return fail(device, "write", exchange_hint());

	wait.events = POLLIN;
	ready = poll(&wait, 1, TIMEOUT_MS);
	if (ready < 0)
		return fail(device, "poll", "");
	if (!ready) {
		fprintf(stderr, "%s: no answer within %d ms\n", device, TIMEOUT_MS);
		return 1;
	}

	len = read(wait.fd, answer, sizeof(answer));
	if (len < 0)
		return fail(device, "read", exchange_hint());
	close(wait.fd);
	return print_versions(device, answer, len);
}
