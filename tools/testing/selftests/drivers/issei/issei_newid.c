// SPDX-License-Identifier: GPL-2.0
/*
 * A device whose ID the driver does not know, bound through new_id and through
 * driver_override. Needs such a device (`vm run --model "--device-id 7ABC"`) and the
 * module loaded.
 */
#include <dirent.h>
#include <linux/limits.h>

#include "kselftest_harness.h"
#include "issei_util.h"

#define PCI "/sys/bus/pci/"
#define UNKNOWN_ID "0x7abc"

FIXTURE(newid)
{
	const char *driver;
	char device[64];
	char path[PATH_MAX];
};

FIXTURE_SETUP(newid)
{
	struct dirent *entry;
	char text[64];
	DIR *dir;

	if (!driver_is_loaded(RUST_DRIVER) && !driver_is_loaded(C_DRIVER))
		SKIP(return, "no driver is loaded");
	self->driver = driver_is_loaded(C_DRIVER) ? C_DRIVER : RUST_DRIVER;
	dir = opendir(PCI "devices");
	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir))) {
		snprintf(self->path, sizeof(self->path), PCI "devices/%s/device", entry->d_name);
		if (file_read(self->path, text, sizeof(text)) > 0 &&
		    !strncmp(text, UNKNOWN_ID, strlen(UNKNOWN_ID)))
			snprintf(self->device, sizeof(self->device), "%.63s", entry->d_name);
	}
	closedir(dir);
	if (!self->device[0])
		SKIP(return, "no device with the ID " UNKNOWN_ID);
	ASSERT_EQ(0, issei_count_devices()) TH_LOG("it is bound already");
}

static void to_driver(struct __test_metadata *_metadata, struct _test_data_newid *self,
		      const char *file, const char *text)
{
	snprintf(self->path, sizeof(self->path), PCI "drivers/%s/%s", self->driver, file);
	EXPECT_EQ(0, file_write(self->path, text)) TH_LOG("%s", self->path);
}

FIXTURE_TEARDOWN(newid)
{
	if (issei_count_devices())
		to_driver(_metadata, self, "unbind", self->device);
}

static void expect_working(struct __test_metadata *_metadata)
{
	int fd;

	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	fd = issei_open_connected(0, O_RDWR, ECHO_A);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, issei_echo(fd, 100, 1));
	close(fd);
}

TEST_F(newid, driver_override)
{
	snprintf(self->path, sizeof(self->path), PCI "devices/%s/driver_override", self->device);
	ASSERT_EQ(0, file_write(self->path, self->driver));
	to_driver(_metadata, self, "bind", self->device);
	expect_working(_metadata);
	snprintf(self->path, sizeof(self->path), PCI "devices/%s/driver_override", self->device);
	EXPECT_EQ(0, file_write(self->path, "\n"));
}

TEST_F(newid, new_id)
{
	to_driver(_metadata, self, "new_id", "8086 7abc");
	expect_working(_metadata);
	to_driver(_metadata, self, "remove_id", "8086 7abc");
}

TEST_HARNESS_MAIN
