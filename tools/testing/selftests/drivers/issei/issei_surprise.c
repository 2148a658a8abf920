// SPDX-License-Identifier: GPL-2.0
/*
 * The device vanishes without a word: the model ends, registers read as all ones, and
 * only then the driver is unbound. The last program of a boot: the device stays away.
 */
#include "kselftest_harness.h"
#include "issei_util.h"

#define QUIET_MS 1000
#define NOTICE_MS 10000		/* a driver that nobody tells finds out by its own time limits */

static uint64_t wait_dropped(int fd, int timeout_ms)
{
	uint64_t start = now_ms();

	while (now_ms() - start < (uint64_t)timeout_ms)
		if (issei_poll(fd, POLLIN, 100) & (POLLERR | POLLHUP))
			return now_ms() - start;
	return ~0ull;
}

TEST(model_quits)
{
	struct issei_call reader = { .what = CALL_READ, .len = 16 };
	struct issei_call poller = { .what = CALL_POLL, .events = POLLIN };
	int up = issei_wait_up(0, LINK_UP_MS);
	bool c_driver = issei_is_c_driver(0);
	char driver[64], device[64], path[256];
	uint64_t start;
	int fd;

	if (up == -ENOENT)
		SKIP(return, "no /dev/issei0");
	if (!model_present(0))
		SKIP(return, "no control port of the device model");
	ASSERT_EQ(0, up);
	ASSERT_EQ(0, issei_wait_agent(0, LINK_UP_MS));
	ASSERT_EQ(0, issei_driver(0, driver, sizeof(driver)));
	ASSERT_EQ(0, issei_pci_name(0, device, sizeof(device)));
	fd = issei_open_connected(0, O_RDWR, LATE);
	reader.fd = issei_open_connected(0, O_RDWR, ECHO_A);
	poller.fd = issei_open_connected(0, O_RDWR, ECHO_B);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, reader.fd);
	ASSERT_LE(0, poller.fd);
	ASSERT_EQ(0, issei_call_start(&reader));
	ASSERT_EQ(0, issei_call_start(&poller));

	/*
	 * No answer: the process is gone before it could give one. No register is accessed
	 * meanwhile: QEMU does not always survive an access at the very moment.
	 */
	sleep_ms(QUIET_MS);
	model_do(0, "{\"cmd\":\"quit\"}");
	sleep_ms(QUIET_MS);

	/* the first write finds out, or the driver after it */
	issei_write(fd, "ping", 4);
	if (c_driver) {
		/* it looks at the counters in memory and at nothing else until it is unbound */
		EXPECT_EQ(~0ull, wait_dropped(fd, 2 * QUIET_MS));
	} else {
		EXPECT_GE(NOTICE_MS, wait_dropped(fd, NOTICE_MS));
	}

	start = now_ms();
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", driver);
	ASSERT_EQ(0, file_write(path, device));
	EXPECT_GT(LINK_UP_MS, now_ms() - start);
	if (c_driver) {
		EXPECT_EQ(-ENOTCONN, issei_call_end(&reader, PROMPT_MS));
		EXPECT_EQ(POLLERR, issei_call_end(&poller, PROMPT_MS));
		C_DRIVER_DIFFERS("removal");
	} else {
		ssize_t ret = issei_call_end(&reader, PROMPT_MS);

		EXPECT_TRUE(ret == -ENODEV || ret == -ENOTCONN) TH_LOG("read: %zd", ret);
		EXPECT_TRUE(issei_call_end(&poller, PROMPT_MS) & (POLLERR | POLLHUP));
		EXPECT_TRUE(issei_poll(fd, POLLIN, 0) & POLLHUP);
	}
	EXPECT_EQ(0, issei_count_devices());
	close(fd);
	close(reader.fd);
	close(poller.fd);
}

TEST_HARNESS_MAIN
