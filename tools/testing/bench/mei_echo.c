// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's mei_me on a device model with the MEI personality: every way that a message can take,
 * through /dev/mei0, contents checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/mei.h>

#include "kselftest_harness.h"

#define DEVICE "/dev/mei0"
#define DRIVER "/sys/bus/pci/drivers/mei_me"
/* Largest message of the clients. */
#define MTU (65536 - 20)

static const uuid_le ECHO = UUID_LE(0x62756c6b, 0x6563, 0x686f,
				    0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01);
static const uuid_le LATE = UUID_LE(0x6c617465, 0x6563, 0x686f,
				    0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02);
static const uuid_le SPDM = UUID_LE(0xe85149df, 0x9447, 0x4c9a,
				    0x83, 0x67, 0xc4, 0xe3, 0x34, 0x64, 0xf1, 0xb4);
static const uuid_le NONE = UUID_LE(0x6e6f6e65, 0x6563, 0x686f,
				    0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09);

static unsigned char sent[MTU], received[MTU + 1];

/* Connects; a negative error number if that fails. */
static int connect_client(int fd, const uuid_le *uuid, unsigned int *mtu)
{
	struct mei_connect_client_data data;

	memcpy(&data.in_client_uuid, uuid, sizeof(*uuid));
	if (ioctl(fd, IOCTL_MEI_CONNECT_CLIENT, &data))
		return -errno;
	if (mtu)
		*mtu = data.out_client_properties.max_msg_length;
	return 0;
}

/* Opens and connects, and waits at most 5 s for the driver to be ready. */
static int open_client(const uuid_le *uuid, unsigned int *mtu)
{
	int tries, fd, error = -ENOENT;

	for (tries = 0; tries < 100; tries++) {
		fd = open(DEVICE, O_RDWR | O_CLOEXEC);
		if (fd >= 0) {
			error = connect_client(fd, uuid, mtu);
			if (!error)
				return fd;
			close(fd);
		}
		usleep(50000);
	}
	return error;
}

/* One round trip of @size bytes that depend on @seed; 0 if the same bytes came back. */
static int echo(int fd, size_t size, unsigned int seed)
{
	ssize_t done;
	size_t i;

	for (i = 0; i < size; i++)
		sent[i] = (i * 7 + (i >> 8) + seed) & 0xff;
	done = write(fd, sent, size);
	if (done != size)
		return done < 0 ? -errno : -EIO;
	memset(received, 0, sizeof(received));
	done = read(fd, received, sizeof(received));
	if (done != size)
		return done < 0 ? -errno : -EMSGSIZE;
	return memcmp(sent, received, size) ? -EBADMSG : 0;
}

/* Writes the name of the bound function to @file of the driver. */
static int to_driver(const char *file, const char *name)
{
	char path[PATH_MAX];
	int fd, error;

	snprintf(path, sizeof(path), DRIVER "/%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = write(fd, name, strlen(name)) < 0 ? -errno : 0;
	close(fd);
	return error;
}

FIXTURE(client)
{
	int fd;
	unsigned int mtu;
};

FIXTURE_SETUP(client)
{
	self->fd = open_client(&ECHO, &self->mtu);
	ASSERT_LE(0, self->fd)
		TH_LOG("cannot connect to the echo client: %s", strerror(-self->fd));
}

FIXTURE_TEARDOWN(client)
{
	EXPECT_EQ(0, close(self->fd));
}

TEST_F(client, every_size_comes_back)
{
	/* around a slot, a full buffer (127 slots after the header), a page; the largest */
	static const size_t sizes[] = { 1, 3, 4, 5, 64, 507, 508, 509, 512, 1024, 4096, 4097,
					40000, MTU - 1, MTU };
	unsigned int i, round;

	ASSERT_EQ(MTU, self->mtu);
	for (round = 0; round < 5; round++)
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			ASSERT_EQ(0, echo(self->fd, sizes[i], round + i))
				TH_LOG("%zu bytes, round %u", sizes[i], round);
}

TEST_F(client, a_thousand_round_trips)
{
	unsigned int round;

	for (round = 0; round < 1000; round++)
		ASSERT_EQ(0, echo(self->fd, 4, round))
			TH_LOG("round %u", round);
}

TEST_F(client, a_message_above_the_mtu_is_refused)
{
	static unsigned char large[MTU + 1];

	EXPECT_EQ(-1, write(self->fd, large, sizeof(large)));
	EXPECT_EQ(EFBIG, errno);
	EXPECT_EQ(0, echo(self->fd, 4, 0));
}

TEST_F(client, connections_do_not_mix)
{
	unsigned char mine = 1, yours = 2, answer;
	int other = open_client(&ECHO, NULL);

	ASSERT_LE(0, other);
	ASSERT_EQ(1, write(self->fd, &mine, 1));
	ASSERT_EQ(1, write(other, &yours, 1));
	ASSERT_EQ(1, read(other, &answer, 1));
	EXPECT_EQ(yours, answer);
	ASSERT_EQ(1, read(self->fd, &answer, 1));
	EXPECT_EQ(mine, answer);
	EXPECT_EQ(0, close(other));
}

TEST_F(client, one_that_goes_before_the_answer_disturbs_nobody)
{
	unsigned int round;
	int late;

	for (round = 0; round < 10; round++) {
		late = open_client(&LATE, NULL);
		ASSERT_LE(0, late);
		ASSERT_EQ(4, write(late, "gone", 4));
		EXPECT_EQ(0, close(late));
		ASSERT_EQ(0, echo(self->fd, 64, round));
	}
}

/* The driver lets the function sleep (D0i3) after 500 ms. */
TEST_F(client, it_works_after_a_pause)
{
	unsigned int round;

	for (round = 0; round < 3; round++) {
		usleep(900000);
		ASSERT_EQ(0, echo(self->fd, 1024, round));
	}
}

TEST(no_client_has_this_uuid)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOTTY, connect_client(fd, &NONE, NULL));
	EXPECT_EQ(0, close(fd));
}

TEST(spdm_answers_get_version)
{
	static const unsigned char request[] = { 0x10, 0x84, 0x00, 0x00 };
	static const unsigned char version[] = { 0x10, 0x04, 0x00, 0x00, 0x00 };
	unsigned int mtu;
	int fd = open_client(&SPDM, &mtu);

	ASSERT_LE(0, fd);
	EXPECT_EQ(4096, mtu);
	ASSERT_EQ(sizeof(request), write(fd, request, sizeof(request)));
	ASSERT_LT(sizeof(version), read(fd, received, sizeof(received)));
	EXPECT_EQ(0, memcmp(received, version, sizeof(version)));
	EXPECT_EQ(0, close(fd));
}

TEST(unbind_and_bind)
{
	char link[PATH_MAX], *name;
	unsigned int round;
	ssize_t length;
	int fd;

	length = readlink("/sys/class/mei/mei0/device", link, sizeof(link) - 1);
	ASSERT_LT(0, length);
	link[length] = '\0';
	name = strrchr(link, '/') + 1;
	for (round = 0; round < 5; round++) {
		fd = open_client(&ECHO, NULL);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, echo(fd, 4096, round));
		ASSERT_EQ(0, to_driver("unbind", name));
		EXPECT_EQ(-1, write(fd, "x", 1));
		EXPECT_EQ(ENODEV, errno);
		EXPECT_EQ(0, close(fd));
		ASSERT_EQ(0, to_driver("bind", name));
	}
	fd = open_client(&ECHO, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, echo(fd, 4, 0));
	EXPECT_EQ(0, close(fd));
}

TEST_HARNESS_MAIN
