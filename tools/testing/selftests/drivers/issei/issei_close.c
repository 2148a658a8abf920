// SPDX-License-Identifier: GPL-2.0
/* Disconnect and close while another thread sleeps in a call on the same file. */
#include <signal.h>

#define NEEDS_MODEL true
#include "issei_fixture.h"

TEST_F(issei, disconnect_ends_read)
{
	struct issei_call reader = { .what = CALL_READ, .fd = self->fd, .len = 16 };

	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
		ASSERT_EQ(0, issei_call_start(&reader));
		ASSERT_EQ(0, issei_disconnect(self->fd));
		ASSERT_EQ(-ENOTCONN, issei_call_end(&reader, PROMPT_MS));
	}
}

/* A writer that waits for the section and loses its connection has sent nothing. */
TEST_F(issei, disconnect_ends_write)
{
	struct issei_call writer = { .what = CALL_WRITE, .len = 7 };
	struct model_counters before, after;
	char in[16];

	writer.fd = issei_open_connected(0, O_RDWR, ECHO_B);
	ASSERT_LE(0, writer.fd);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, model_counters(0, &before));
	ASSERT_EQ(0, model_hold(0, true));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	ASSERT_EQ(0, issei_call_start(&writer));
	ASSERT_EQ(0, issei_disconnect(writer.fd));
	if (self->c_driver) {
		EXPECT_EQ(7, issei_call_end(&writer, PROMPT_MS));
		C_DRIVER_DIFFERS("write-lost");
	} else {
		EXPECT_EQ(-ENOTCONN, issei_call_end(&writer, PROMPT_MS));
	}
	ASSERT_EQ(0, model_hold(0, false));
	EXPECT_EQ(4, issei_read(self->fd, in, sizeof(in)));
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.h2f + 1, after.h2f);
	close(writer.fd);
}

/* close() drops a write that still waits for the section. */
TEST_F(issei, close_drops_queued_write)
{
	struct issei_call writer = { .what = CALL_WRITE, .len = 7 };
	struct model_counters before, after;
	char in[16];

	catch_signal(SIGUSR1);
	writer.fd = issei_open_connected(0, O_RDWR, ECHO_B);
	ASSERT_LE(0, writer.fd);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, model_counters(0, &before));
	ASSERT_EQ(0, model_hold(0, true));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	ASSERT_EQ(0, issei_call_start(&writer));
	ASSERT_EQ(0, close(writer.fd));
	ASSERT_EQ(0, pthread_kill(writer.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, issei_call_end(&writer, PROMPT_MS));
	ASSERT_EQ(0, model_hold(0, false));
	EXPECT_EQ(4, issei_read(self->fd, in, sizeof(in)));
	sleep_ms(50);
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.h2f + 1, after.h2f);
	ASSERT_EQ(0, issei_disconnect(self->fd));
	EXPECT_EQ(0, issei_connect(self->fd, ECHO_B, NULL));
}

/* A reader that sleeps holds the file: it goes on, and the client is free after it. */
TEST_F(issei, close_during_read)
{
	struct issei_call reader = { .what = CALL_READ, .len = 16 };

	catch_signal(SIGUSR1);
	reader.fd = issei_open_connected(0, O_RDWR, ECHO_A);
	ASSERT_LE(0, reader.fd);
	ASSERT_EQ(0, issei_call_start(&reader));
	ASSERT_EQ(0, close(reader.fd));
	EXPECT_EQ(-EBUSY, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, pthread_kill(reader.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, issei_call_end(&reader, PROMPT_MS));
	EXPECT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(0, issei_echo(self->fd, 16, 1));
}

TEST_F(issei, close_during_read_message_comes)
{
	struct issei_call reader = { .what = CALL_READ, .len = 16 };

	reader.fd = issei_open_connected(0, O_RDWR, LATE);
	ASSERT_LE(0, reader.fd);
	ASSERT_EQ(4, issei_write(reader.fd, "ping", 4));
	ASSERT_EQ(0, issei_call_start(&reader));
	ASSERT_EQ(0, close(reader.fd));
	EXPECT_EQ(4, issei_call_end(&reader, 5 * PROMPT_MS));
	EXPECT_EQ(0, issei_wait_connect(self->fd, LATE, PROMPT_MS));
}

struct churn {
	bool stop;
	bool reads;
	int fd;
};

static void *churn_calls(void *arg)
{
	struct churn *churn = arg;
	char in[64];

	while (!__atomic_load_n(&churn->stop, __ATOMIC_RELAXED)) {
		int fd = __atomic_load_n(&churn->fd, __ATOMIC_RELAXED);

		issei_poll(fd, POLLIN | POLLOUT, 0);
		issei_write(fd, "churn", 5);
		if (issei_poll(fd, POLLIN, 1) == POLLIN && churn->reads)
			issei_read(fd, in, sizeof(in));
		issei_disconnect(fd);
	}
	return NULL;
}

/* Everything at once on files that come and go; what counts is that all works after it. */
TEST_F(issei, open_close_storm)
{
	/* another thread may take the message: see "nonblock-read" */
	struct churn churn = { .fd = -1, .reads = !self->c_driver };
	pthread_t threads[4];
	uint64_t end;

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, churn_calls, &churn));
	for (end = now_ms() + 2000; now_ms() < end;) {
		int fd = issei_open(0, O_RDWR | O_NONBLOCK);

		ASSERT_LE(0, fd);
		__atomic_store_n(&churn.fd, fd, __ATOMIC_RELAXED);
		issei_connect(fd, ECHO_A, NULL);
		usleep(500);
		__atomic_store_n(&churn.fd, -1, __ATOMIC_RELAXED);
		close(fd);
	}
	__atomic_store_n(&churn.stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	ASSERT_EQ(0, issei_wait_connect(self->fd, ECHO_A, LINK_UP_MS));
	for (int i = 0; i < 10; i++)
		if (issei_echo(self->fd, 100, i) && !self->c_driver)
			EXPECT_TRUE(false);
}

TEST_HARNESS_MAIN
