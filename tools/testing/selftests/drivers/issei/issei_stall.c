// SPDX-License-Identifier: GPL-2.0
/*
 * A program whose memory is not there when a message is copied: its call waits in a
 * page fault for as long as another program likes, which must not hold up anybody else.
 */
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define NEEDS_MODEL true
#include "issei_fixture.h"

#define ROUND_TRIPS 100

/* A page that faults until pager_release(). */
struct pager {
	int fd;
	uint8_t *page;
	size_t size;
};

static int pager_create(struct pager *pager)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	pager->size = sysconf(_SC_PAGESIZE);
	pager->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (pager->fd < 0)
		return -errno;
	pager->page = mmap(NULL, pager->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	if (pager->page == MAP_FAILED)
		return -errno;
	range.range.start = (uintptr_t)pager->page;
	range.range.len = pager->size;
	if (ioctl(pager->fd, UFFDIO_API, &api) || ioctl(pager->fd, UFFDIO_REGISTER, &range))
		return -errno;
	return 0;
}

/* Somebody waits for the page. */
static bool pager_wait(const struct pager *pager)
{
	struct uffd_msg msg;

	return issei_poll(pager->fd, POLLIN, PROMPT_MS) == POLLIN &&
	       read(pager->fd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT;
}

/* Here it is, with this in the beginning. */
static int pager_release(const struct pager *pager, const char *text)
{
	uint8_t *from = mmap(NULL, pager->size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_copy copy = {
		.dst = (uintptr_t)pager->page, .src = (uintptr_t)from, .len = pager->size,
	};
	int ret;

	if (from == MAP_FAILED)
		return -errno;
	memcpy(from, text, strlen(text));
	ret = ioctl(pager->fd, UFFDIO_COPY, &copy) ? -errno : 0;
	munmap(from, pager->size);
	return ret;
}

struct call {
	pthread_t thread;
	int fd;
	bool write;
	uint8_t *buf;
	ssize_t result;
};

static void *call(void *arg)
{
	struct call *call = arg;

	call->result = call->write ? issei_write(call->fd, call->buf, 4) :
				     issei_read(call->fd, call->buf, 16);
	return NULL;
}

static void stall(struct __test_metadata *_metadata, int bystander, bool write)
{
	struct call stalled = { .write = write };
	struct pager pager;
	char in[16];

	ASSERT_EQ(0, pager_create(&pager)) TH_LOG("the kernel needs CONFIG_USERFAULTFD");
	ASSERT_EQ(0, issei_connect(bystander, ECHO_A, NULL));
	stalled.fd = issei_open_connected(0, O_RDWR, ECHO_B);
	ASSERT_LE(0, stalled.fd);
	stalled.buf = pager.page;
	if (!write)
		ASSERT_EQ(4, issei_write(stalled.fd, "ping", 4));
	ASSERT_EQ(0, pthread_create(&stalled.thread, NULL, call, &stalled));
	ASSERT_TRUE(pager_wait(&pager));

	for (int i = 0; i < ROUND_TRIPS; i++) {
		ASSERT_EQ(4, issei_write(bystander, "pong", 4));
		ASSERT_EQ(POLLIN, issei_poll(bystander, POLLIN, PROMPT_MS)) TH_LOG("held up");
		ASSERT_EQ(4, issei_read(bystander, in, sizeof(in)));
	}

	ASSERT_EQ(0, pager_release(&pager, "page"));
	ASSERT_EQ(0, pthread_join(stalled.thread, NULL));
	EXPECT_EQ(4, stalled.result);
	if (write)
		EXPECT_EQ(4, issei_read(stalled.fd, in, sizeof(in)));
	EXPECT_EQ(0, write ? memcmp(in, "page", 4) : memcmp(pager.page, "ping", 4));
	EXPECT_EQ(0, issei_echo(stalled.fd, 100, 1));
	close(stalled.fd);
	close(pager.fd);
	munmap(pager.page, pager.size);
}

TEST_F(issei, reader)
{
	stall(_metadata, self->fd, false);
}

TEST_F(issei, writer)
{
	stall(_metadata, self->fd, true);
}

TEST_HARNESS_MAIN
