// SPDX-License-Identifier: GPL-2.0
/*
 * The slot of the device is emptied: device_del through QEMU's monitor. Needs the
 * device behind a root port (`vm run --root-port`). The device does not come back.
 */
#include <linux/limits.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "issei_util.h"

#define QMP "/dev/virtio-ports/qmp"
#define UNPLUG_MS 20000		/* the guest waits 5 s before it lets go of a slot */

static int qmp_do(int fd, const char *request)
{
	char answer[4096];
	ssize_t len;

	if (write(fd, request, strlen(request)) < 0)
		return -errno;
	for (int i = 0; i < 10; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, PROMPT_MS) <= 0)
			return -ETIMEDOUT;
		len = read(fd, answer, sizeof(answer) - 1);
		if (len <= 0)
			return -EPIPE;
		answer[len] = '\0';
		if (strstr(answer, "\"error\"")) {
			fprintf(stderr, "# qmp: %s", answer);
			return -EPROTO;
		}
		if (strstr(answer, "\"return\""))
			return 0;
	}
	return -EPROTO;
}

static bool behind_root_port(void)
{
	char path[PATH_MAX];

	/* .../pci0000:00/0000:00:04.0/0000:01:00.0: the parent is a bridge */
	return realpath("/sys/class/issei/issei0/device/..", path) &&
	       !access(strcat(path, "/pci_bus"), F_OK);
}

TEST(device_del)
{
	struct issei_call reader = { .what = CALL_READ, .len = 16 };
	struct issei_call poller = { .what = CALL_POLL, .events = POLLIN };
	int up = issei_wait_up(0, LINK_UP_MS);
	bool c_driver = issei_is_c_driver(0);
	char in[16];
	int qmp;

	if (up == -ENOENT)
		SKIP(return, "no /dev/issei0");
	ASSERT_EQ(0, up);
	if (!behind_root_port())
		SKIP(return, "the device is not behind a root port");
	qmp = open(QMP, O_RDWR | O_CLOEXEC);
	if (qmp < 0)
		SKIP(return, "no port to QEMU's monitor");

	reader.fd = issei_open_connected(0, O_RDWR, ECHO_A);
	poller.fd = issei_open_connected(0, O_RDWR, ECHO_B);
	ASSERT_LE(0, reader.fd);
	ASSERT_LE(0, poller.fd);
	ASSERT_EQ(0, issei_echo(reader.fd, 100, 1));
	ASSERT_EQ(0, issei_call_start(&reader));
	ASSERT_EQ(0, issei_call_start(&poller));

	ASSERT_EQ(0, qmp_do(qmp, "{\"execute\":\"qmp_capabilities\"}\n"));
	ASSERT_EQ(0, qmp_do(qmp, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"heci0\"}}\n"));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", false, UNPLUG_MS));
	if (c_driver) {
		EXPECT_EQ(-ENOTCONN, issei_call_end(&reader, PROMPT_MS));
		EXPECT_EQ(POLLERR, issei_call_end(&poller, PROMPT_MS));
		EXPECT_EQ(-EBUSY, issei_read(reader.fd, in, sizeof(in)));
		C_DRIVER_DIFFERS("removal");
	} else {
		EXPECT_EQ(-ENODEV, issei_call_end(&reader, PROMPT_MS));
		EXPECT_TRUE(issei_call_end(&poller, PROMPT_MS) & POLLHUP);
		EXPECT_EQ(-ENODEV, issei_read(reader.fd, in, sizeof(in)));
	}
	EXPECT_EQ(0, wait_for_file("/sys/class/issei/issei0", false, PROMPT_MS));
	close(reader.fd);
	close(poller.fd);
	close(qmp);
}

TEST_HARNESS_MAIN
