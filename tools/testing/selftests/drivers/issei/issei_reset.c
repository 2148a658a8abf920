// SPDX-License-Identifier: GPL-2.0
/* A reset of the link: every connection is dropped, every file stays and can connect again. */
#include <sys/stat.h>

#define NEEDS_MODEL true
#include "issei_fixture.h"

#define RESETS 10
#define DEBUGFS "/sys/kernel/debug/issei0/"
#define BACK_OFF_MS 8000	/* three times the limit of bring-up, and some */
#define STUCK_MS 2500	/* a second until a write counts as stuck, and the reset */

static int firmware_reset(unsigned int down_ms)
{
	return model_do(0, "{\"cmd\":\"reset_firmware\",\"down_ms\":%u}", down_ms);
}

/* Until the driver has seen it: the connections are gone. */
static int wait_dropped(int fd)
{
	for (int i = 0; i < PROMPT_MS; i++) {
		if (issei_poll(fd, POLLIN, 0) & POLLERR)
			return 0;
		sleep_ms(1);
	}
	return -ETIMEDOUT;
}

TEST_F(issei, drops_every_connection)
{
	int other = issei_open_connected(0, O_RDWR, ECHO_B);
	int idle = issei_open(0, O_RDWR);

	ASSERT_LE(0, other);
	ASSERT_LE(0, idle);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, firmware_reset(50));
	ASSERT_EQ(0, wait_dropped(self->fd));
	ASSERT_EQ(0, wait_dropped(other));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(-ENOTCONN, issei_write(self->fd, "ping", 4));
	EXPECT_EQ(-ENOTCONN, issei_disconnect(other));

	ASSERT_EQ(0, issei_connect(idle, ECHO_A, NULL));
	EXPECT_EQ(0, issei_echo(idle, 100, 1));
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_B, NULL));
	EXPECT_EQ(0, issei_echo(self->fd, 100, 2));
	ASSERT_EQ(0, issei_connect(other, BULK, NULL));
	EXPECT_EQ(0, issei_echo(other, BULK_MTU, 3));
	close(other);
	close(idle);
}

TEST_F(issei, errors_while_down)
{
	int fresh, other = issei_open(0, O_RDWR);
	uint32_t status = 0;
	char in[16];

	ASSERT_LE(0, other);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, firmware_reset(1000));
	ASSERT_EQ(0, wait_dropped(self->fd));

	EXPECT_EQ(-ENODEV, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(-ENODEV, issei_connect(self->fd, NOBODY, NULL));
	EXPECT_EQ(-ENODEV, issei_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT, NULL));
	EXPECT_EQ(-ENODEV, issei_disconnect(self->fd));
	EXPECT_EQ(-ENODEV, issei_disconnect(other));
	EXPECT_EQ(-ENOTTY, issei_ioctl(self->fd, _IO('H', 9), NULL));
	EXPECT_EQ(-EBUSY, issei_write(self->fd, "ping", 4));
	EXPECT_EQ(-EBUSY, issei_read(self->fd, in, sizeof(in)));
	EXPECT_EQ(-EBUSY, issei_write(other, "ping", 4));
	EXPECT_EQ(-EBUSY, issei_read(other, in, sizeof(in)));
	EXPECT_EQ(0, issei_write(self->fd, "", 0));
	EXPECT_EQ(0, issei_read(self->fd, in, 0));
	EXPECT_EQ(POLLERR, issei_poll(self->fd, POLLIN | POLLOUT, 0));
	EXPECT_EQ(POLLERR, issei_poll(other, POLLIN | POLLOUT, 0));
	fresh = issei_open(0, O_RDWR);
	EXPECT_LE(0, fresh);
	close(fresh);
	if (!self->c_driver) {
		EXPECT_EQ(0, issei_ioctl(self->fd, IOCTL_ISSEI_DRIVER_STATUS, &status));
		EXPECT_EQ(ISSEI_STATUS_IN_RESET, status & ISSEI_STATUS_IN_RESET);
	}

	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(0, issei_echo(self->fd, 100, 1));
	close(other);
}

TEST_F(issei, ends_read)
{
	struct issei_call reader = { .what = CALL_READ, .fd = self->fd, .len = 16 };

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_call_start(&reader));
	ASSERT_EQ(0, firmware_reset(200));
	EXPECT_EQ(-ENOTCONN, issei_call_end(&reader, PROMPT_MS));
}

TEST_F(issei, ends_write)
{
	struct issei_call writer = { .what = CALL_WRITE, .len = 7 };

	writer.fd = issei_open_connected(0, O_RDWR, ECHO_B);
	ASSERT_LE(0, writer.fd);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, model_hold(0, true));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	ASSERT_EQ(0, issei_call_start(&writer));
	ASSERT_EQ(0, firmware_reset(500));
	if (self->c_driver) {
		EXPECT_EQ(7, issei_call_end(&writer, PROMPT_MS));
		C_DRIVER_DIFFERS("write-lost");
	} else {
		EXPECT_EQ(-ENOTCONN, issei_call_end(&writer, PROMPT_MS));
	}
	close(writer.fd);
}

TEST_F(issei, unread_message_is_gone)
{
	char in[16];

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	ASSERT_EQ(POLLIN, issei_poll(self->fd, POLLIN, PROMPT_MS));
	ASSERT_EQ(0, firmware_reset(50));
	ASSERT_EQ(0, wait_dropped(self->fd));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(-ENOTCONN, issei_read(self->fd, in, sizeof(in)));
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(0, issei_poll(self->fd, POLLIN, 50));
}

TEST_F(issei, many_times)
{
	uint32_t first = 0, last = 0;

	if (!self->c_driver)
		ASSERT_EQ(0, issei_ioctl(self->fd, IOCTL_ISSEI_DRIVER_STATUS, &first));
	for (int i = 0; i < RESETS; i++) {
		ASSERT_EQ(0, issei_wait_connect(self->fd, ECHO_A, LINK_UP_MS));
		ASSERT_EQ(0, issei_echo(self->fd, 100, i));
		ASSERT_EQ(0, firmware_reset(80 + 5 * i));
		ASSERT_EQ(0, wait_dropped(self->fd));
	}
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	if (self->c_driver)
		return;
	ASSERT_EQ(0, issei_ioctl(self->fd, IOCTL_ISSEI_DRIVER_STATUS, &last));
	EXPECT_EQ((ISSEI_STATUS_RESETS(first) + RESETS) % 256, ISSEI_STATUS_RESETS(last));
	EXPECT_EQ(0, last & ISSEI_STATUS_IN_RESET);
}

/*
 * The firmware was away for so short a time that it may look as if it had never been,
 * but it has forgotten the shared memory: the first write finds out.
 */
TEST_F(issei, short_absence)
{
	struct issei_call reader = { .what = CALL_READ, .fd = self->fd, .len = 16 };

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, firmware_reset(0));
	if (issei_write(self->fd, "ping", 4) == 4 && !issei_call_start(&reader)) {
		ssize_t ret = issei_call_end(&reader, STUCK_MS);

		if (self->c_driver && ret == -ETIMEDOUT) {
			C_DRIVER_DIFFERS("write-stuck");
			ASSERT_EQ(0, firmware_reset(50));
			EXPECT_EQ(-ENOTCONN, issei_call_end(&reader, STUCK_MS));
			return;
		}
		EXPECT_EQ(-ENOTCONN, ret);
	}
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	issei_disconnect(self->fd);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(0, issei_echo(self->fd, 100, 1));
}

/* A write that the firmware does not take within a second: the link is stuck. */
TEST_F(issei, stuck_write)
{
	struct issei_call reader = { .what = CALL_READ, .fd = self->fd, .len = 16 };
	struct model_counters before, after;

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, model_counters(0, &before));
	ASSERT_EQ(0, model_do(0, "{\"cmd\":\"fault\",\"name\":\"not-consumed\"}"));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	ASSERT_EQ(0, issei_call_start(&reader));
	if (self->c_driver) {
		/* it takes a second write to find out */
		EXPECT_EQ(-ETIMEDOUT, issei_call_end(&reader, STUCK_MS));
		EXPECT_EQ(0, issei_poll(self->fd, POLLIN, 0));
		issei_write(self->fd, "pong", 4);
		C_DRIVER_DIFFERS("write-stuck");
	}
	EXPECT_EQ(-ENOTCONN, issei_call_end(&reader, STUCK_MS));
	ASSERT_EQ(0, issei_wait_connect(self->fd, ECHO_A, LINK_UP_MS));
	EXPECT_EQ(0, issei_echo(self->fd, 100, 1));
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.resets_host + 1, after.resets_host);
}

/* The firmware stays away for longer than one bring-up waits. */
TEST_F_TIMEOUT(issei, long_absence, 60)
{
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, firmware_reset(3000));
	ASSERT_EQ(0, wait_dropped(self->fd));
	EXPECT_EQ(0, issei_wait_connect(self->fd, ECHO_A, 2 * LINK_UP_MS));
	EXPECT_EQ(0, issei_echo(self->fd, 100, 1));
}

static bool debugfs_state_is(const char *state)
{
	char text[512], line[32];

	snprintf(line, sizeof(line), "link %s\n", state);
	return file_read(DEBUGFS "state", text, sizeof(text)) > 0 && strstr(text, line);
}

static bool debugfs_state_becomes(const char *state)
{
	for (int i = 0; i < BACK_OFF_MS && !debugfs_state_is(state); i += 10)
		sleep_ms(10);
	return debugfs_state_is(state);
}

TEST_F_TIMEOUT(issei, state_in_debugfs, 60)
{
	if (self->c_driver) {
		EXPECT_FALSE(debugfs_state_is("up"));
		C_DRIVER_DIFFERS("debugfs");
		return;
	}
	if (access("/sys/kernel/debug/.", F_OK))
		SKIP(return, "debugfs is not mounted");
	EXPECT_TRUE(debugfs_state_is("up"));
	ASSERT_EQ(0, firmware_reset(BACK_OFF_MS));
	EXPECT_TRUE(debugfs_state_becomes("bring-up"));
	EXPECT_TRUE(debugfs_state_becomes("back-off"));
	EXPECT_TRUE(debugfs_state_becomes("up"));
}

/* A spurious interrupt changes nothing. */
TEST_F(issei, spurious_interrupts)
{
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(0, model_do(0, "{\"cmd\":\"interrupt\"}"));
		ASSERT_EQ(0, issei_echo(self->fd, 100, i));
	}
}

/* An interrupt that is lost makes a message late, no more. */
TEST_F(issei, lost_interrupts)
{
	static const char lost[] = "{\"cmd\":\"fault\",\"name\":\"interrupt-lost\"}";
	struct issei_call reader = { .what = CALL_READ, .fd = self->fd, .len = 16 };
	struct model_counters before, after;
	char in[16];

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_echo(self->fd, 4, 0));
	if (self->c_driver) {
		ASSERT_EQ(0, issei_call_start(&reader));
		ASSERT_EQ(0, model_do(0, lost));
		ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
		EXPECT_EQ(-ETIMEDOUT, issei_call_end(&reader, STUCK_MS));
		/* the next interrupt, for whatever reason, delivers it */
		ASSERT_EQ(0, model_do(0, "{\"cmd\":\"interrupt\"}"));
		EXPECT_EQ(4, issei_call_end(&reader, PROMPT_MS));
		C_DRIVER_DIFFERS("interrupt-lost");
		return;
	}
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, model_do(0, lost));
		ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
		ASSERT_EQ(POLLIN, issei_poll(self->fd, POLLIN, PROMPT_MS));
		ASSERT_EQ(4, issei_read(self->fd, in, sizeof(in)));
	}

	/* interrupts come again after it, also that of a reset when all is quiet */
	ASSERT_EQ(0, model_do(0, "{\"cmd\":\"clear_faults\"}"));
	ASSERT_EQ(0, issei_echo(self->fd, 4, 1));
	ASSERT_EQ(0, model_counters(0, &before));
	for (int i = 0; i < 20; i++)
		ASSERT_EQ(0, issei_echo(self->fd, 4, i));
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_LE(before.interrupts + 10, after.interrupts);
	sleep_ms(500);
	ASSERT_EQ(0, firmware_reset(100));
	EXPECT_EQ(0, wait_dropped(self->fd));
}

static void reset_by(struct __test_metadata *_metadata, int fd, const char *path)
{
	char text[8];
	struct stat st;

	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0200, st.st_mode & 07777);
	ASSERT_EQ(0, issei_connect(fd, ECHO_A, NULL));
	EXPECT_EQ(-EINVAL, file_write(path, "0"));
	EXPECT_EQ(-EINVAL, file_write(path, "2"));
	EXPECT_EQ(-EINVAL, file_write(path, "x"));
	EXPECT_GT(0, file_read(path, text, sizeof(text)));
	EXPECT_EQ(0, issei_echo(fd, 100, 1));

	for (int i = 0; i < 5; i++) {
		struct model_counters before, after;

		ASSERT_EQ(0, model_counters(0, &before));
		ASSERT_EQ(0, file_write(path, "1\n"));
		ASSERT_EQ(0, wait_dropped(fd));
		ASSERT_EQ(0, issei_wait_connect(fd, ECHO_A, LINK_UP_MS));
		ASSERT_EQ(0, model_counters(0, &after));
		EXPECT_EQ(before.resets_host + 1, after.resets_host);
	}
	EXPECT_EQ(0, issei_echo(fd, 100, 2));
}

TEST_F(issei, sysfs_reset)
{
	char path[64];

	issei_sysfs_path(0, path, sizeof(path), "reset");
	if (self->c_driver) {
		EXPECT_EQ(-ENOENT, file_write(path, "1"));
		C_DRIVER_DIFFERS("sysfs-reset");
		return;
	}
	reset_by(_metadata, self->fd, path);
}

TEST_F(issei, debugfs_reset)
{
	char text[66];

	if (self->c_driver) {
		EXPECT_EQ(-ENOENT, file_write(DEBUGFS "reset", "1"));
		C_DRIVER_DIFFERS("debugfs");
		return;
	}
	if (access("/sys/kernel/debug/.", F_OK))
		SKIP(return, "debugfs is not mounted");
	reset_by(_metadata, self->fd, DEBUGFS "reset");
	memset(text, '1', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	EXPECT_EQ(-EINVAL, file_write(DEBUGFS "reset", text));
	EXPECT_EQ(0, issei_echo(self->fd, 100, 3));
}

TEST_HARNESS_MAIN
