// SPDX-License-Identifier: GPL-2.0
/*
 * Both layouts below /sys/class/issei/issei<N>: the documented one of the mainline
 * driver, and the one Intel's user library reads.
 */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define NEEDS_MODEL false
#include "issei_fixture.h"

/* One line that ends in a newline, without it. */
static void read_line(struct __test_metadata *_metadata, const char *file, char *text, size_t size)
{
	ssize_t len = issei_sysfs_read(0, file, text, size);

	ASSERT_LT(0, len) TH_LOG("%s", file);
	ASSERT_EQ('\n', text[len - 1]) TH_LOG("%s: '%s'", file, text);
	ASSERT_EQ(text + len - 1, strchr(text, '\n')) TH_LOG("%s: '%s'", file, text);
	text[len - 1] = '\0';
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

static bool is_uuid(const char *text)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit(text[i]) || isupper(text[i]))
			return false;
	}
	return !text[36];
}

TEST_F(issei, fw_ver)
{
	char text[64], again[64];
	unsigned int part[4];
	int count;

	read_line(_metadata, "fw_ver", text, sizeof(text));
	count = sscanf(text, "%u.%u.%u.%u", &part[0], &part[1], &part[2], &part[3]);
	ASSERT_EQ(4, count);
	snprintf(again, sizeof(again), "%u.%u.%u.%u", part[0], part[1], part[2], part[3]);
	EXPECT_STREQ(again, text);
	for (int i = 0; i < 4; i++)
		EXPECT_GE(0xffff, part[i]);
	if (self->model)
		EXPECT_STREQ("1.2.3.4", text);	/* what the model says it is */
}

struct name {
	char text[32];
};

static int list(const char *dir, const char *prefix, struct name *names, int max)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int count = 0;
	DIR *d;

	issei_sysfs_path(0, path, sizeof(path), dir);
	d = opendir(path);
	if (!d)
		return -errno;
	while ((entry = readdir(d)) && count < max)
		if (entry->d_name[0] != '.' && !strncmp(entry->d_name, prefix, strlen(prefix)))
			snprintf(names[count++].text, sizeof(*names), "%.31s", entry->d_name);
	closedir(d);
	return count;
}

TEST_F(issei, fw_clients)
{
	struct name names[64];
	char path[128], text[64];
	int count = list("fw_clients", "", names, 64);
	bool spdm = false;

	ASSERT_LT(0, count);
	for (int i = 0; i < count; i++) {
		EXPECT_TRUE(is_number(names[i].text)) TH_LOG("%s", names[i].text);
		snprintf(path, sizeof(path), "fw_clients/%.31s/id", names[i].text);
		read_line(_metadata, path, text, sizeof(text));
		EXPECT_STREQ(names[i].text, text);
		snprintf(path, sizeof(path), "fw_clients/%.31s/uuid", names[i].text);
		read_line(_metadata, path, text, sizeof(text));
		EXPECT_TRUE(is_uuid(text)) TH_LOG("%s: '%s'", path, text);
		spdm |= !strcmp(text, "e85149df-9447-4c9a-8367-c4e33464f1b4");
		snprintf(path, sizeof(path), "fw_clients/%.31s/mtu", names[i].text);
		read_line(_metadata, path, text, sizeof(text));
		EXPECT_TRUE(is_number(text));
		snprintf(path, sizeof(path), "fw_clients/%.31s/ver", names[i].text);
		read_line(_metadata, path, text, sizeof(text));
		EXPECT_TRUE(is_number(text));
	}
	EXPECT_TRUE(spdm);
}

/* The attributes and the connect ioctl tell the same. */
TEST_F(issei, fw_client_properties)
{
	struct name names[64];
	char path[128], text[64];
	int count = list("fw_clients", "", names, 64);

	ASSERT_LT(0, count);
	for (int i = 0; i < count; i++) {
		struct issei_client client;
		issei_uuid uuid;
		char *at = text;

		snprintf(path, sizeof(path), "fw_clients/%.31s/uuid", names[i].text);
		read_line(_metadata, path, text, sizeof(text));
		for (size_t byte = 0; byte < sizeof(uuid); byte++, at += 2) {
			char digits[3] = {};

			at += *at == '-';
			memcpy(digits, at, 2);
			uuid[byte] = strtoul(digits, NULL, 16);
		}
		ASSERT_EQ(0, issei_connect(self->fd, uuid, &client));
		ASSERT_EQ(0, issei_disconnect(self->fd));
		snprintf(path, sizeof(path), "fw_clients/%.31s/mtu", names[i].text);
		read_line(_metadata, path, text, sizeof(text));
		EXPECT_EQ(client.max_msg_length, strtoul(text, NULL, 10));
		snprintf(path, sizeof(path), "fw_clients/%.31s/ver", names[i].text);
		read_line(_metadata, path, text, sizeof(text));
		EXPECT_EQ(client.protocol_version, strtoul(text, NULL, 10));
	}
}

/* What Intel's library looks for: fw_client:* with uuid, ver, mtu and flags. */
TEST_F(issei, library_clients)
{
	static const char *const same[] = { "uuid", "ver", "mtu", "flags" };
	struct name names[64];
	char path[128], text[64], other[64];
	int count = list("", "fw_client:", names, 64);

	if (self->c_driver) {
		EXPECT_EQ(0, count);
		C_DRIVER_DIFFERS("sysfs-library");
		return;
	}
	ASSERT_EQ(list("fw_clients", "", names + count, 64 - count), count);
	for (int i = 0; i < count; i++) {
		const char *id = strchr(names[i].text, ':') + 1;

		for (size_t file = 0; file < ARRAY_SIZE(same); file++) {
			snprintf(path, sizeof(path), "%.31s/%s", names[i].text, same[file]);
			read_line(_metadata, path, text, sizeof(text));
			snprintf(path, sizeof(path), "fw_clients/%.31s/%s", id, same[file]);
			read_line(_metadata, path, other, sizeof(other));
			EXPECT_STREQ(other, text);
		}
	}
}

TEST_F(issei, library_attributes)
{
	static const off_t registers[] = { 0x40, 0x48, 0x60, 0x64, 0x68, 0x6c };
	char text[256], expected[128], path[PATH_MAX];
	int config;

	if (self->c_driver) {
		EXPECT_EQ(-ENOENT, issei_sysfs_read(0, "kind", text, sizeof(text)));
		EXPECT_EQ(-ENOENT, issei_sysfs_read(0, "fw_status", text, sizeof(text)));
		C_DRIVER_DIFFERS("sysfs-library");
		return;
	}
	read_line(_metadata, "kind", text, sizeof(text));
	EXPECT_LT(0, strlen(text));

	/* six registers of the configuration space, a line of 11 bytes for each */
	issei_sysfs_path(0, path, sizeof(path), "device/config");
	config = open(path, O_RDONLY);
	ASSERT_LE(0, config);
	for (int i = 0; i < 6; i++) {
		uint32_t hfs;

		ASSERT_EQ(4, pread(config, &hfs, 4, registers[i]));
		snprintf(expected + 11 * i, sizeof(expected) - 11 * i, "0x%08X\n", hfs);
	}
	close(config);
	ASSERT_LT(0, issei_sysfs_read(0, "fw_status", text, sizeof(text)));
	EXPECT_STREQ(expected, text);
}

TEST_F(issei, device_node)
{
	char name[64], path[PATH_MAX], text[64], expected[64];
	struct stat st;

	ASSERT_EQ(0, issei_pci_name(0, name, sizeof(name)));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/issei/issei0", name);
	EXPECT_EQ(0, access(path, F_OK)) TH_LOG("%s", path);
	ASSERT_EQ(0, fstat(self->fd, &st));
	snprintf(expected, sizeof(expected), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	read_line(_metadata, "dev", text, sizeof(text));
	EXPECT_STREQ(expected, text);
}

TEST_HARNESS_MAIN
