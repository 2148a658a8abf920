// SPDX-License-Identifier: GPL-2.0
/* System sleep: quiesced before, in D3hot during, up again after, connections dropped. */
#define NEEDS_MODEL true
#include "issei_fixture.h"

#define WAKEALARM "/sys/class/rtc/rtc0/wakealarm"

static uint64_t d3hot(struct __test_metadata *_metadata)
{
	struct model_counters counters;

	ASSERT_EQ(0, model_counters(0, &counters));
	return counters.d3hot;
}

static void expect_dropped_and_up(struct __test_metadata *_metadata, int fd)
{
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(-ENOTCONN, issei_disconnect(fd));
	ASSERT_EQ(0, issei_connect(fd, ECHO_A, NULL));
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(0, issei_echo(fd, 1 + i * 100, i));
}

TEST_F(issei, devices)
{
	if (!can_sleep())
		SKIP(return, "the kernel has no pm_test");
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, sleep_test("devices"));
	expect_dropped_and_up(_metadata, self->fd);
}

TEST_F(issei, platform)
{
	uint64_t before = d3hot(_metadata);

	if (!can_sleep())
		SKIP(return, "the kernel has no pm_test");
	for (int i = 1; i <= 10; i++) {
		if (i == 1)
			ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
		ASSERT_EQ(0, sleep_test("platform"));
		EXPECT_EQ(before + i, d3hot(_metadata));
		expect_dropped_and_up(_metadata, self->fd);
	}
}

/* Cycles that follow each other before the link is up. */
TEST_F(issei, in_a_row)
{
	if (!can_sleep())
		SKIP(return, "the kernel has no pm_test");
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(0, sleep_test("platform"));
	expect_dropped_and_up(_metadata, self->fd);
}

/* A reader that slept through it is told, by the error of a lost connection or a signal. */
TEST_F(issei, sleeping_reader)
{
	struct issei_call reader = { .what = CALL_READ, .fd = self->fd, .len = 16 };
	ssize_t ret;

	if (!can_sleep())
		SKIP(return, "the kernel has no pm_test");
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_call_start(&reader));
	ASSERT_EQ(0, sleep_test("platform"));
	ret = issei_call_end(&reader, PROMPT_MS);
	EXPECT_TRUE(ret == -ENOTCONN || ret == -EBUSY || ret == -EINTR) {
		TH_LOG("read: %zd", ret);
	}
	expect_dropped_and_up(_metadata, self->fd);
}

static void *talk(void *arg)
{
	bool *stop = arg;
	int fd = issei_open(0, O_RDWR);

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		if (issei_echo(fd, 100, 1))
			issei_connect(fd, ECHO_B, NULL);
	}
	close(fd);
	return NULL;
}

TEST_F(issei, while_in_use)
{
	bool stop = false;
	pthread_t thread;

	if (!can_sleep())
		SKIP(return, "the kernel has no pm_test");
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, talk, &stop));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, sleep_test(i & 1 ? "devices" : "platform"));
		usleep(i * 5000);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	expect_dropped_and_up(_metadata, self->fd);
}

TEST_F_TIMEOUT(issei, s3, 60)
{
	uint64_t before = d3hot(_metadata);
	char text[64];

	if (file_read("/sys/power/mem_sleep", text, sizeof(text)) <= 0 || !strstr(text, "deep"))
		SKIP(return, "the machine has no S3");
	if (access(WAKEALARM, W_OK))
		SKIP(return, "there is no clock to wake the machine");
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, file_write("/sys/power/mem_sleep", "deep"));
	ASSERT_EQ(0, file_write(WAKEALARM, "0"));
	ASSERT_EQ(0, file_write(WAKEALARM, "+3"));
	ASSERT_EQ(0, sleep_and_reopen_ports("mem"));
	EXPECT_LE(before + 1, d3hot(_metadata));
	expect_dropped_and_up(_metadata, self->fd);
}

TEST_HARNESS_MAIN
