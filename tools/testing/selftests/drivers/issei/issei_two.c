// SPDX-License-Identifier: GPL-2.0
/* Two devices that know nothing of each other (`vm run --model "" --model ""`). */
#include <limits.h>

#include "kselftest_harness.h"
#include "issei_util.h"

FIXTURE(two)
{
	int fd[2];
	bool c_driver;
};

FIXTURE_SETUP(two)
{
	if (issei_count_devices() != 2)
		SKIP(return, "there are not two devices");
	for (int dev = 0; dev < 2; dev++) {
		if (!model_present(dev))
			SKIP(return, "no control port of device model %d", dev);
		ASSERT_EQ(0, issei_wait_up(dev, LINK_UP_MS));
		ASSERT_EQ(0, issei_wait_agent(dev, LINK_UP_MS));
		ASSERT_EQ(0, model_defaults(dev));
		self->fd[dev] = issei_open(dev, O_RDWR);
		ASSERT_LE(0, self->fd[dev]);
	}
	self->c_driver = issei_is_c_driver(0);
}

FIXTURE_TEARDOWN(two)
{
	for (int dev = 0; dev < 2; dev++)
		close(self->fd[dev]);
}

/* The model behind /dev/issei<dev>: which of the two counts what is written there. */
static int model_of(int fd, int dev)
{
	struct model_counters before[2], after[2];

	model_counters(0, &before[0]);
	model_counters(1, &before[1]);
	if (issei_echo(fd, 4, dev))
		return -EIO;
	model_counters(0, &after[0]);
	model_counters(1, &after[1]);
	return after[1].h2f != before[1].h2f;
}

TEST_F(two, same_client_on_both)
{
	for (int dev = 0; dev < 2; dev++)
		EXPECT_EQ(0, issei_connect(self->fd[dev], ECHO_A, NULL));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(4, issei_write(self->fd[0], "one", 4));
		ASSERT_EQ(4, issei_write(self->fd[1], "two", 4));
		for (int dev = 0; dev < 2; dev++) {
			char in[16];

			ASSERT_EQ(4, issei_read(self->fd[dev], in, sizeof(in)));
			ASSERT_STREQ(dev ? "two" : "one", in);
		}
	}
}

TEST_F(two, reset_of_one)
{
	int first;

	for (int dev = 0; dev < 2; dev++)
		ASSERT_EQ(0, issei_connect(self->fd[dev], ECHO_A, NULL));
	first = model_of(self->fd[0], 0);
	ASSERT_LE(0, first);
	ASSERT_NE(first, model_of(self->fd[1], 1));

	ASSERT_EQ(0, model_do(first, "{\"cmd\":\"reset_firmware\",\"down_ms\":300}"));
	EXPECT_EQ(POLLERR, issei_poll(self->fd[0], POLLIN, PROMPT_MS));
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(0, issei_echo(self->fd[1], 100, i));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(-ENOTCONN, issei_disconnect(self->fd[0]));
	EXPECT_EQ(0, issei_disconnect(self->fd[1]));
}

TEST_F(two, files_are_counted_per_device)
{
	int fd[2][ISSEI_MAX_FILES];

	for (int dev = 0; dev < 2; dev++) {
		for (int i = 0; i < ISSEI_MAX_FILES - 1; i++) {
			fd[dev][i] = issei_open(dev, O_RDWR);
			ASSERT_LE(0, fd[dev][i]);
		}
		EXPECT_EQ(-EMFILE, issei_open(dev, O_RDWR));
	}
	for (int dev = 0; dev < 2; dev++)
		for (int i = 0; i < ISSEI_MAX_FILES - 1; i++)
			close(fd[dev][i]);
}

TEST_F(two, unbind_one)
{
	char driver[64], device[2][64], path[PATH_MAX];

	ASSERT_EQ(0, issei_driver(0, driver, sizeof(driver)));
	for (int dev = 0; dev < 2; dev++)
		ASSERT_EQ(0, issei_pci_name(dev, device[dev], sizeof(device[dev])));
	ASSERT_STRNE(device[0], device[1]);
	ASSERT_EQ(0, issei_connect(self->fd[1], ECHO_A, NULL));
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", driver);
	ASSERT_EQ(0, file_write(path, device[0]));
	EXPECT_EQ(1, issei_count_devices());
	EXPECT_EQ(-ENODEV, issei_connect(self->fd[0], ECHO_A, NULL));
	EXPECT_EQ(0, issei_echo(self->fd[1], 100, 1));

	/* the number that became free is taken again */
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", driver);
	ASSERT_EQ(0, file_write(path, device[0]));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(0, issei_echo(self->fd[1], 100, 2));
	EXPECT_EQ(2, issei_count_devices());
}

TEST_HARNESS_MAIN
