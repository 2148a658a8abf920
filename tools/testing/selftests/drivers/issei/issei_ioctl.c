// SPDX-License-Identifier: GPL-2.0
/* Every ioctl of /dev/issei<N>, every errno of it, and what is no ioctl of it. */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define NEEDS_MODEL false
#include "issei_fixture.h"

#define PAGE 4096

static uint8_t *map(size_t len, int prot, int flags)
{
	void *at = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

TEST_F(issei, node)
{
	struct stat st;

	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
}

TEST_F(issei, open_needs_permission)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(!setuid(65534) && issei_open(0, O_RDWR) == -EACCES ? 0 : 1);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(issei, access_modes)
{
	int reader = issei_open(0, O_RDONLY);
	int writer = issei_open(0, O_WRONLY);
	char byte = 0;

	ASSERT_LE(0, reader);
	ASSERT_LE(0, writer);
	EXPECT_EQ(-EBADF, issei_write(reader, &byte, 1));
	EXPECT_EQ(-EBADF, issei_read(writer, &byte, 1));
	EXPECT_EQ(0, issei_connect(reader, SPDM, NULL));
	close(reader);
	close(writer);
}

TEST_F(issei, connect_tells_properties)
{
	struct issei_connect_client_data data;
	struct issei_client *client = &data.out_client_properties;

	memcpy(data.in_client_uuid, SPDM, sizeof(SPDM));
	ASSERT_EQ(0, issei_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT, &data));
	EXPECT_LT(0, client->max_msg_length);
	EXPECT_LT(0, client->protocol_version);
	if (self->c_driver) {
		/* bytes of the UUID are still there */
		EXPECT_EQ(SPDM[5], client->reserved1[0]);
		EXPECT_EQ(SPDM[15], client->reserved2 >> 24);
		C_DRIVER_DIFFERS("connect-reserved");
		return;
	}
	EXPECT_EQ(0, client->reserved1[0] | client->reserved1[1] | client->reserved1[2]);
	EXPECT_EQ(0, client->reserved2);
}

TEST_F(issei, connect_unknown_uuid)
{
	issei_uuid uuid = {};

	EXPECT_EQ(-ENOTTY, issei_connect(self->fd, uuid, NULL));
	EXPECT_EQ(-ENOTTY, issei_connect(self->fd, NOBODY, NULL));
	for (int byte = 0; byte < ISSEI_IOCTL_UUID_LEN; byte++) {
		memcpy(uuid, SPDM, sizeof(uuid));
		uuid[byte] ^= 0x80;
		EXPECT_EQ(-ENOTTY, issei_connect(self->fd, uuid, NULL));
	}
	EXPECT_EQ(-ENOTCONN, issei_disconnect(self->fd));
	EXPECT_EQ(0, issei_connect(self->fd, SPDM, NULL));
}

TEST_F(issei, connect_twice)
{
	ASSERT_EQ(0, issei_connect(self->fd, SPDM, NULL));
	EXPECT_EQ(-EISCONN, issei_connect(self->fd, SPDM, NULL));
	EXPECT_EQ(-EISCONN, issei_connect(self->fd, NOBODY, NULL));
	EXPECT_EQ(0, issei_disconnect(self->fd));
	EXPECT_EQ(0, issei_connect(self->fd, SPDM, NULL));
}

TEST_F(issei, connect_taken)
{
	int other = issei_open(0, O_RDWR);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, issei_connect(self->fd, SPDM, NULL));
	EXPECT_EQ(-EBUSY, issei_connect(other, SPDM, NULL));
	EXPECT_EQ(-ENOTCONN, issei_disconnect(other));

	ASSERT_EQ(0, issei_disconnect(self->fd));
	EXPECT_EQ(0, issei_connect(other, SPDM, NULL));
	EXPECT_EQ(-EBUSY, issei_connect(self->fd, SPDM, NULL));

	ASSERT_EQ(0, close(other));
	EXPECT_EQ(0, issei_connect(self->fd, SPDM, NULL));
}

TEST_F(issei, connect_bad_pointers)
{
	uint8_t *page = map(2 * PAGE, PROT_READ | PROT_WRITE, 0);

	ASSERT_NE(NULL, page);
	ASSERT_EQ(0, munmap(page + PAGE, PAGE));
	EXPECT_EQ(-EFAULT, issei_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT, NULL));
	EXPECT_EQ(-EFAULT, issei_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT, (void *)1));
	EXPECT_EQ(-EFAULT, issei_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT, (void *)-1));
	EXPECT_EQ(-EFAULT, issei_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT,
				       (void *)0xffffffff81000000));
	EXPECT_EQ(-EFAULT, issei_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT,
				       page + PAGE - 15));
	memcpy(page + PAGE - 16, SPDM, sizeof(SPDM));
	EXPECT_EQ(0, issei_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT, page + PAGE - 16));

	/* bad arguments come before the state of the file */
	EXPECT_EQ(-EFAULT, issei_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT, NULL));
}

TEST_F(issei, connect_answer_not_writable)
{
	uint8_t *page = map(PAGE, PROT_READ | PROT_WRITE, 0);
	int other = issei_open(0, O_RDWR);

	ASSERT_NE(NULL, page);
	ASSERT_LE(0, other);
	memcpy(page, SPDM, sizeof(SPDM));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, issei_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT, page));

	/* the connection that nobody was told of is not there */
	EXPECT_EQ(-ENOTCONN, issei_disconnect(self->fd));
	EXPECT_EQ(0, issei_connect(other, SPDM, NULL));
	close(other);
}

TEST_F(issei, disconnect_errors)
{
	EXPECT_EQ(-ENOTCONN, issei_disconnect(self->fd));
	ASSERT_EQ(0, issei_connect(self->fd, SPDM, NULL));
	EXPECT_EQ(0, issei_disconnect(self->fd));
	EXPECT_EQ(-ENOTCONN, issei_disconnect(self->fd));

	/* the argument is not looked at */
	ASSERT_EQ(0, issei_connect(self->fd, SPDM, NULL));
	EXPECT_EQ(0, issei_ioctl(self->fd, IOCTL_ISSEI_DISCONNECT_CLIENT, (void *)-1));
}

TEST_F(issei, status)
{
	uint32_t status = ~0u;

	if (self->c_driver) {
		EXPECT_EQ(-ENOTTY, issei_ioctl(self->fd, IOCTL_ISSEI_DRIVER_STATUS, &status));
		C_DRIVER_DIFFERS("ioctl-status");
		return;
	}
	ASSERT_EQ(0, issei_ioctl(self->fd, IOCTL_ISSEI_DRIVER_STATUS, &status));
	EXPECT_EQ(0, status & ISSEI_STATUS_IN_RESET);
	EXPECT_EQ(0, status & ~0xff01u);
	EXPECT_EQ(-EFAULT, issei_ioctl(self->fd, IOCTL_ISSEI_DRIVER_STATUS, NULL));
}

TEST_F(issei, unknown_ioctls)
{
	static const unsigned long unknown[] = {
		0, ~0ul, TCGETS, TIOCGWINSZ, BLKGETSIZE64,
		_IO('H', 0), _IO('H', 4), _IO('H', 255),
		/* the right number with the wrong size or direction */
		_IO('H', 1), _IOR('H', 1, uint8_t[16]), _IOW('H', 1, uint8_t[16]),
		_IOWR('H', 1, uint8_t[15]), _IOWR('H', 1, uint8_t[17]), _IOWR('H', 1, uint8_t[20]),
		_IOR('H', 2, uint32_t), _IOWR('H', 2, uint8_t[16]),
		_IO('H', 3), _IOW('H', 3, uint32_t), _IOR('H', 3, uint64_t),
		/* numbers of the management engine's driver */
		_IOWR('H', 0x01, uint8_t[12]), _IOW('H', 0x02, uint32_t), _IOR('H', 0x03, uint8_t),
	};
	uint8_t data[ISSEI_IOCTL_UUID_LEN];

	memcpy(data, SPDM, sizeof(data));
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_EQ(-ENOTTY, issei_ioctl(self->fd, unknown[i], data)) {
			TH_LOG("ioctl %#lx", unknown[i]);
		}
	}
	EXPECT_EQ(0, memcmp(data, SPDM, sizeof(data)));
	EXPECT_EQ(-ENOTCONN, issei_disconnect(self->fd));
}

TEST_F(issei, random_ioctls)
{
	uint8_t *data = map(PAGE, PROT_READ | PROT_WRITE, 0);
	uint64_t x = 88172645463325252ull;

	ASSERT_NE(NULL, data);
	for (int i = 0; i < 50000; i++) {
		unsigned int cmd;
		void *arg;
		int ret;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		/* the file system layer answers to 'f', 'T', 'X' and 0x00..0x12 itself */
		cmd = _IOC(x & 3, i & 1 ? 'H' : 'I' + (x >> 8) % 10, x >> 16, x >> 24 & 0x3fff);
		if (cmd == IOCTL_ISSEI_CONNECT_CLIENT || cmd == IOCTL_ISSEI_DISCONNECT_CLIENT ||
		    cmd == IOCTL_ISSEI_DRIVER_STATUS)
			continue;
		arg = x >> 40 & 1 ? data : (void *)(x * 0x9e3779b97f4a7c15ull);
		ret = issei_ioctl(self->fd, cmd, arg);
		ASSERT_EQ(-ENOTTY, ret) TH_LOG("ioctl %#x, argument %p", cmd, arg);
	}
	EXPECT_EQ(0, issei_connect(self->fd, SPDM, NULL));
}

/* ioctl(2) as a 32-bit program calls it: through int 0x80, with pointers below 4 GiB. */
static int compat_ioctl(int fd, unsigned int cmd, void *arg)
{
	int ret;

	__asm__ __volatile__("int $0x80" : "=a" (ret)
			     : "0" (54), "b" (fd), "c" (cmd), "d" (arg)
			     : "memory", "cc", "r8", "r9", "r10", "r11");
	return ret;
}

static bool compat_works(void)
{
	pid_t child = fork();
	int status;

	if (!child) {
		/* without CONFIG_IA32_EMULATION a fault ends the child here */
		_exit(compat_ioctl(-1, 0, NULL) == -EBADF ? 0 : 1);
	}
	return child > 0 && waitpid(child, &status, 0) == child && !status;
}

TEST_F(issei, compat)
{
	uint8_t *low = map(PAGE, PROT_READ | PROT_WRITE, MAP_32BIT);
	struct issei_connect_client_data *data = (void *)low;

	if (!compat_works())
		SKIP(return, "the kernel runs no 32-bit programs");
	ASSERT_NE(NULL, low);

	memcpy(low, NOBODY, sizeof(NOBODY));
	EXPECT_EQ(-ENOTTY, compat_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT, low));
	EXPECT_EQ(-EFAULT, compat_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT, NULL));
	EXPECT_EQ(-ENOTCONN, compat_ioctl(self->fd, IOCTL_ISSEI_DISCONNECT_CLIENT, NULL));
	EXPECT_EQ(-ENOTTY, compat_ioctl(self->fd, _IO('H', 77), low));

	memcpy(low, SPDM, sizeof(SPDM));
	ASSERT_EQ(0, compat_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT, low));
	EXPECT_LT(0, data->out_client_properties.max_msg_length);
	EXPECT_EQ(-EISCONN, compat_ioctl(self->fd, IOCTL_ISSEI_CONNECT_CLIENT, low));
	EXPECT_EQ(0, compat_ioctl(self->fd, IOCTL_ISSEI_DISCONNECT_CLIENT, NULL));

	if (self->c_driver)
		return;
	*(uint32_t *)low = ~0u;
	EXPECT_EQ(0, compat_ioctl(self->fd, IOCTL_ISSEI_DRIVER_STATUS, low));
	EXPECT_EQ(0, *(uint32_t *)low & ~0xff01u);
}

TEST_HARNESS_MAIN
