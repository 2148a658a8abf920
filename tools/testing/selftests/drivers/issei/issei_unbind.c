// SPDX-License-Identifier: GPL-2.0
/* The device goes away under its users and comes back: through sysfs, in every way. */
#include <limits.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "issei_util.h"

#define PCI "/sys/bus/pci/"

static int driver_write(const char *driver, const char *file, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PCI "drivers/%s/%s", driver, file);
	return file_write(path, text);
}

static int device_write(const char *device, const char *file, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PCI "devices/%s/%s", device, file);
	return file_write(path, text);
}

FIXTURE(removal)
{
	char device[64];
	char driver[64];
	bool c_driver;
};

FIXTURE_VARIANT(removal)
{
	bool remove;
};

FIXTURE_VARIANT_ADD(removal, unbind)
{
	.remove = false,
};

FIXTURE_VARIANT_ADD(removal, pci_remove)
{
	.remove = true,
};

static int take_away(const char *driver, const char *device, bool remove)
{
	return remove ? device_write(device, "remove", "1") :
			driver_write(driver, "unbind", device);
}

static int bring_back(const char *driver, const char *device, bool remove)
{
	return remove ? file_write(PCI "rescan", "1") :
			driver_write(driver, "bind", device);
}

FIXTURE_SETUP(removal)
{
	int up = issei_wait_up(0, LINK_UP_MS);

	if (up == -ENOENT)
		SKIP(return, "no /dev/issei0");
	if (!model_present(0))
		SKIP(return, "no control port of the device model");
	ASSERT_EQ(0, up);
	ASSERT_EQ(0, model_defaults(0));
	ASSERT_EQ(0, issei_driver(0, self->driver, sizeof(self->driver)));
	ASSERT_EQ(0, issei_pci_name(0, self->device, sizeof(self->device)));
	self->c_driver = issei_is_c_driver(0);
}

FIXTURE_TEARDOWN(removal)
{
	if (access("/dev/issei0", F_OK))
		bring_back(self->driver, self->device, variant->remove);
	EXPECT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(0, model_defaults(0));
}

TEST_F_TIMEOUT(removal, idle_device, 60)
{
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, take_away(self->driver, self->device, variant->remove));
		EXPECT_NE(0, access("/dev/issei0", F_OK));
		EXPECT_EQ(0, issei_count_devices());
		ASSERT_EQ(0, bring_back(self->driver, self->device, variant->remove));
		ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
		/* every other time it goes again before the link is up */
		if (i & 1)
			ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	}
}

/* Everyone who sleeps on a file of the device is told at once. */
TEST_F(removal, sleepers)
{
	struct issei_call reader = { .what = CALL_READ, .len = 16 };
	struct issei_call writer = { .what = CALL_WRITE, .len = 7 };
	struct issei_call poller = { .what = CALL_POLL, .events = POLLIN };
	uint64_t start;

	reader.fd = issei_open_connected(0, O_RDWR, ECHO_A);
	writer.fd = issei_open_connected(0, O_RDWR, ECHO_B);
	poller.fd = issei_open_connected(0, O_RDWR, LATE);
	ASSERT_LE(0, reader.fd);
	ASSERT_LE(0, writer.fd);
	ASSERT_LE(0, poller.fd);
	ASSERT_EQ(0, issei_call_start(&reader));
	ASSERT_EQ(0, issei_call_start(&poller));
	ASSERT_EQ(0, model_hold(0, true));
	ASSERT_EQ(4, issei_write(reader.fd, "ping", 4));
	ASSERT_EQ(0, issei_call_start(&writer));

	start = now_ms();
	ASSERT_EQ(0, take_away(self->driver, self->device, variant->remove));
	if (self->c_driver) {
		EXPECT_EQ(-ENOTCONN, issei_call_end(&reader, PROMPT_MS));
		EXPECT_EQ(7, issei_call_end(&writer, PROMPT_MS));
		EXPECT_EQ(POLLERR, issei_call_end(&poller, PROMPT_MS));
		C_DRIVER_DIFFERS("removal");
	} else {
		EXPECT_EQ(-ENODEV, issei_call_end(&reader, PROMPT_MS));
		EXPECT_EQ(-ENODEV, issei_call_end(&writer, PROMPT_MS));
		EXPECT_EQ(POLLERR | POLLHUP, issei_call_end(&poller, PROMPT_MS) &
			  ~(POLLIN | POLLOUT));
	}
	EXPECT_GT(PROMPT_MS, reader.ended_ms - start);
	EXPECT_GT(PROMPT_MS, writer.ended_ms - start);
	EXPECT_GT(PROMPT_MS, poller.ended_ms - start);
	close(reader.fd);
	close(writer.fd);
	close(poller.fd);
}

/* A file of the device that went never works again, also after another one came. */
TEST_F(removal, old_file)
{
	int old = issei_open_connected(0, O_RDWR, ECHO_A);
	int idle = issei_open(0, O_RDWR);
	struct stat st;
	char in[16];

	ASSERT_LE(0, old);
	ASSERT_LE(0, idle);
	ASSERT_EQ(0, fstat(old, &st));
	ASSERT_EQ(0, take_away(self->driver, self->device, variant->remove));
	for (int back = 0; back < 2; back++) {
		int fd[] = { old, idle };

		for (int i = 0; i < 2; i++) {
			EXPECT_EQ(-ENODEV, issei_connect(fd[i], ECHO_A, NULL));
			EXPECT_EQ(-ENODEV, issei_disconnect(fd[i]));
			if (self->c_driver) {
				EXPECT_EQ(-EBUSY, issei_write(fd[i], "ping", 4));
				EXPECT_EQ(-EBUSY, issei_read(fd[i], in, sizeof(in)));
				EXPECT_EQ(POLLERR, issei_poll(fd[i], POLLIN | POLLOUT, 0));
			} else {
				EXPECT_EQ(-ENODEV, issei_write(fd[i], "ping", 4));
				EXPECT_EQ(-ENODEV, issei_read(fd[i], in, sizeof(in)));
				EXPECT_TRUE(issei_poll(fd[i], POLLIN, 0) & POLLHUP);
				EXPECT_TRUE(issei_poll(fd[i], 0, 0) & POLLHUP);
			}
		}
		if (!back) {
			ASSERT_EQ(0, bring_back(self->driver, self->device, variant->remove));
			ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
			ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
		}
	}

	/* the client that it had is free */
	close(idle);
	idle = issei_open_connected(0, O_RDWR, ECHO_A);
	ASSERT_LE(0, idle);
	EXPECT_EQ(0, issei_echo(idle, 100, 1));
	close(idle);
	close(old);
	if (self->c_driver)
		C_DRIVER_DIFFERS("removal");
}

/* A node that outlives its device opens nothing. */
TEST_F(removal, stale_node)
{
	const char *path = "/tmp/issei-stale-node";
	struct stat st;

	ASSERT_EQ(0, stat("/dev/issei0", &st));
	unlink(path);
	ASSERT_EQ(0, mknod(path, S_IFCHR | 0600, st.st_rdev));
	ASSERT_EQ(0, take_away(self->driver, self->device, variant->remove));
	EXPECT_EQ(-1, open(path, O_RDWR));
	EXPECT_TRUE(errno == ENXIO || errno == ENODEV) TH_LOG("errno %d", errno);
	unlink(path);
}

static void *open_loop(void *arg)
{
	bool *stop = arg;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		int fd = issei_open_connected(0, O_RDWR, ECHO_A);

		if (fd >= 0) {
			issei_echo(fd, 100, 1);
			close(fd);
		}
	}
	return NULL;
}

TEST_F(removal, while_in_use)
{
	bool stop = false;
	pthread_t threads[3];

	if (self->c_driver) {
		/* not run: kthread_stop() of a thread that has ended is an oops */
		C_DRIVER_DIFFERS("removal-in-use");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, open_loop, &stop));
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, take_away(self->driver, self->device, variant->remove));
		ASSERT_EQ(0, bring_back(self->driver, self->device, variant->remove));
		usleep(i * 3000);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
}

/* With an override the driver is bound without a table entry. */
TEST_F(removal, driver_override)
{
	ASSERT_EQ(0, driver_write(self->driver, "unbind", self->device));
	ASSERT_EQ(0, device_write(self->device, "driver_override", "pci-stub"));
	EXPECT_NE(0, driver_write(self->driver, "bind", self->device));
	ASSERT_EQ(0, device_write(self->device, "driver_override", self->driver));
	EXPECT_EQ(0, driver_write(self->driver, "bind", self->device));
	EXPECT_EQ(0, device_write(self->device, "driver_override", "\n"));
	EXPECT_EQ(0, issei_wait_up(0, LINK_UP_MS));
}

TEST_HARNESS_MAIN
