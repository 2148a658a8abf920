// SPDX-License-Identifier: GPL-2.0
/* The module comes and goes; not while it is used, and not beside Intel's. */
#include <limits.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "issei_util.h"

FIXTURE(module)
{
	const char *driver;
	bool c_driver;
};

FIXTURE_SETUP(module)
{
	if (issei_wait_up(0, LINK_UP_MS) == -ENOENT)
		SKIP(return, "no /dev/issei0");
	self->c_driver = issei_is_c_driver(0);
	self->driver = self->c_driver ? C_DRIVER : RUST_DRIVER;
	if (!driver_is_available(self->driver))
		SKIP(return, "modprobe does not find %s", self->driver);
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
}

FIXTURE_TEARDOWN(module)
{
	if (!driver_is_loaded(self->driver))
		EXPECT_EQ(0, driver_load(self->driver));
	EXPECT_EQ(0, issei_wait_up(0, LINK_UP_MS));
}

static int delete_module(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

TEST_F(module, unload_while_open)
{
	int fd = issei_open(0, O_RDWR);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EWOULDBLOCK, delete_module(self->driver));
	EXPECT_EQ(0, issei_connect(fd, SPDM, NULL));
	EXPECT_EQ(-EWOULDBLOCK, delete_module(self->driver));
	EXPECT_EQ(0, issei_disconnect(fd));
	close(fd);
	EXPECT_EQ(0, driver_unload(self->driver));
	EXPECT_EQ(0, issei_count_devices());
	EXPECT_NE(0, access("/dev/issei0", F_OK));
}

/* A file of a device that was unbound still holds the module. */
TEST_F(module, unload_while_open_and_unbound)
{
	char device[64], path[128];
	int fd = issei_open(0, O_RDWR);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, issei_pci_name(0, device, sizeof(device)));
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", self->driver);
	ASSERT_EQ(0, file_write(path, device));
	EXPECT_EQ(-EWOULDBLOCK, delete_module(self->driver));
	EXPECT_EQ(-ENODEV, issei_connect(fd, SPDM, NULL));
	close(fd);
	EXPECT_EQ(0, driver_unload(self->driver));
}

/* So does one of its files in debugfs. */
TEST_F(module, unload_while_debugfs_open)
{
	int fd = open("/sys/kernel/debug/issei0/state", O_RDONLY);
	int ret;

	if (self->c_driver) {
		EXPECT_EQ(-1, fd);
		C_DRIVER_DIFFERS("debugfs");
		return;
	}
	if (fd < 0 && access("/sys/kernel/debug/.", F_OK))
		SKIP(return, "debugfs is not mounted");
	ASSERT_LE(0, fd);
	ret = delete_module(self->driver);
	EXPECT_EQ(-EWOULDBLOCK, ret);
	if (ret)	/* else closing the file is what must not be done */
		close(fd);
	else
		pause();
}

TEST_F_TIMEOUT(module, reload_50_times, 120)
{
	for (int i = 0; i < 50; i++) {
		int fd;

		ASSERT_EQ(0, driver_unload(self->driver));
		ASSERT_EQ(0, driver_load(self->driver));
		ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
		/* every other time it goes again before the link is up */
		if (i & 1)
			continue;
		ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
		fd = issei_open_connected(0, O_RDWR, SPDM);
		ASSERT_LE(0, fd);
		close(fd);
	}
}

/* The file from which modprobe would load @name, its last dependency. */
static int module_file(const char *name, char *path, size_t size)
{
	char command[64], line[PATH_MAX];
	FILE *pipe;

	snprintf(command, sizeof(command), "modprobe -D %s", name);
	pipe = popen(command, "r");
	if (!pipe)
		return -errno;
	*path = '\0';
	while (fgets(line, sizeof(line), pipe)) {
		char *at = strchr(line, '/');

		if (at)
			snprintf(path, size, "%.*s", (int)strcspn(at, "\n "), at);
	}
	pclose(pipe);
	return *path ? 0 : -ENOENT;
}

/* With Intel's class in the kernel the module refuses, with one line and no stack dump. */
TEST_F(module, beside_intels_module)
{
	char line[512], path[PATH_MAX];
	int lines = 0, kmsg, fd;

	if (self->c_driver) {
		/* not run: the C driver's second class registration dumps the stack */
		C_DRIVER_DIFFERS("class-taken");
		return;
	}
	if (!driver_is_available("issei"))
		SKIP(return, "modprobe does not find Intel's module");
	ASSERT_EQ(0, module_file(self->driver, path, sizeof(path)));
	ASSERT_EQ(0, driver_unload(self->driver));
	ASSERT_EQ(0, driver_load("issei"));
	kmsg = kmsg_open();
	ASSERT_LE(0, kmsg);
	fd = open(path, O_RDONLY);
	ASSERT_LE(0, fd) TH_LOG("%s", path);
	EXPECT_EQ(-1, syscall(SYS_finit_module, fd, "", 0));
	EXPECT_TRUE(errno == EEXIST || errno == EBUSY) TH_LOG("errno %d", errno);
	close(fd);
	EXPECT_FALSE(driver_is_loaded(self->driver));
	while (kmsg_next(kmsg, line, sizeof(line)) > 0) {
		EXPECT_EQ(NULL, strstr(line, "Call Trace")) TH_LOG("%s", line);
		EXPECT_EQ(NULL, strstr(line, "duplicate")) TH_LOG("%s", line);
		if (strstr(line, RUST_DRIVER)) {
			TH_LOG("%s", line);
			lines++;
		}
	}
	EXPECT_EQ(1, lines);
	close(kmsg);
	EXPECT_EQ(0, run("rmmod issei"));
	EXPECT_EQ(0, driver_load(self->driver));
}

TEST_HARNESS_MAIN
