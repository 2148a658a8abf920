// SPDX-License-Identifier: GPL-2.0
/* poll, select, epoll and O_NONBLOCK. */
#include <sys/epoll.h>
#include <sys/select.h>

#define NEEDS_MODEL true
#include "issei_fixture.h"

#define BOTH (POLLIN | POLLOUT)

TEST_F(issei, not_connected)
{
	EXPECT_EQ(POLLERR, issei_poll(self->fd, BOTH, 0));
	EXPECT_EQ(POLLERR, issei_poll(self->fd, POLLIN, 0));
	EXPECT_EQ(POLLERR, issei_poll(self->fd, POLLOUT, 0));
	EXPECT_EQ(POLLERR, issei_poll(self->fd, BOTH, -1));
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_disconnect(self->fd));
	EXPECT_EQ(POLLERR, issei_poll(self->fd, BOTH, 0));
}

/* POLLERR is reported whether it was asked for or not. */
TEST_F(issei, not_connected_no_events_asked)
{
	if (self->c_driver) {
		EXPECT_EQ(0, issei_poll(self->fd, 0, 0));
		C_DRIVER_DIFFERS("poll-no-events");
		return;
	}
	EXPECT_EQ(POLLERR, issei_poll(self->fd, 0, 0));
}

TEST_F(issei, in_and_out)
{
	char in[16];

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(POLLOUT, issei_poll(self->fd, BOTH, 0));
	EXPECT_EQ(0, issei_poll(self->fd, POLLIN, 0));
	EXPECT_EQ(0, issei_poll(self->fd, 0, 0));

	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	ASSERT_EQ(POLLIN, issei_poll(self->fd, POLLIN, PROMPT_MS));
	EXPECT_EQ(BOTH, issei_poll(self->fd, BOTH, 0));
	EXPECT_EQ(POLLIN | POLLRDNORM, issei_poll(self->fd, POLLIN | POLLRDNORM, 0));
	EXPECT_EQ(POLLOUT | POLLWRNORM, issei_poll(self->fd, POLLOUT | POLLWRNORM, 0));
	EXPECT_EQ(0, issei_poll(self->fd, POLLPRI, 0));

	ASSERT_EQ(4, issei_read(self->fd, in, sizeof(in)));
	EXPECT_EQ(POLLOUT, issei_poll(self->fd, BOTH, 0));
}

TEST_F(issei, sleeper_wakes_on_message)
{
	struct issei_call poller = { .what = CALL_POLL, .fd = self->fd, .events = POLLIN };
	char in[16];

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_call_start(&poller));
	sleep_ms(50);
	EXPECT_FALSE(poller.done);
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	EXPECT_EQ(POLLIN, issei_call_end(&poller, PROMPT_MS));
	EXPECT_EQ(4, issei_read(self->fd, in, sizeof(in)));
}

TEST_F(issei, sleeper_wakes_on_late_message)
{
	char in[16];

	ASSERT_EQ(0, issei_connect(self->fd, LATE, NULL));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	EXPECT_EQ(0, issei_poll(self->fd, POLLIN, 10));
	EXPECT_EQ(POLLIN, issei_poll(self->fd, POLLIN, 5 * PROMPT_MS));
	EXPECT_EQ(4, issei_read(self->fd, in, sizeof(in)));
}

TEST_F(issei, sleeper_wakes_on_disconnect)
{
	struct issei_call poller = { .what = CALL_POLL, .fd = self->fd, .events = POLLIN };

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_call_start(&poller));
	ASSERT_EQ(0, issei_disconnect(self->fd));
	EXPECT_EQ(POLLERR, issei_call_end(&poller, PROMPT_MS));
}

TEST_F(issei, sleeper_wakes_on_reset)
{
	struct issei_call poller = { .what = CALL_POLL, .fd = self->fd, .events = POLLIN };

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_call_start(&poller));
	ASSERT_EQ(0, model_do(0, "{\"cmd\":\"reset_firmware\",\"down_ms\":100}"));
	EXPECT_EQ(POLLERR, issei_call_end(&poller, PROMPT_MS));
}

TEST_F(issei, select_and_epoll)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct timeval second = { .tv_sec = 1 };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	fd_set readers;
	char in[16];

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &event));
	EXPECT_EQ(0, epoll_wait(ep, &event, 1, 0));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
		ASSERT_EQ(1, epoll_wait(ep, &event, 1, PROMPT_MS));
		EXPECT_EQ(EPOLLIN, event.events);
		FD_ZERO(&readers);
		FD_SET(self->fd, &readers);
		EXPECT_EQ(1, select(self->fd + 1, &readers, NULL, NULL, &second));
		ASSERT_EQ(4, issei_read(self->fd, in, sizeof(in)));
		EXPECT_EQ(0, epoll_wait(ep, &event, 1, 0));
	}
	ASSERT_EQ(0, issei_disconnect(self->fd));
	ASSERT_EQ(1, epoll_wait(ep, &event, 1, PROMPT_MS));
	EXPECT_TRUE(event.events & EPOLLERR);
	close(ep);
}

/*
 * The section holds a message that the firmware leaves there: one write of each file is taken all
 * the same and waits its turn, the next would not be.
 */
TEST_F(issei, out_while_section_is_full)
{
	int other = issei_open_connected(0, O_RDWR, ECHO_B);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, model_hold(0, true));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	EXPECT_EQ(POLLOUT, issei_poll(self->fd, BOTH, 0));
	EXPECT_EQ(POLLOUT, issei_poll(other, BOTH, 0));
	if (!self->c_driver) {
		struct issei_call poller = { .what = CALL_POLL, .fd = other, .events = POLLOUT };

		ASSERT_EQ(0, fcntl(other, F_SETFL, O_RDWR | O_NONBLOCK));
		ASSERT_EQ(4, issei_write(other, "pong", 4));
		EXPECT_EQ(0, issei_poll(other, BOTH, 0));
		EXPECT_EQ(POLLOUT, issei_poll(self->fd, BOTH, 0));
		ASSERT_EQ(0, issei_call_start(&poller));
		ASSERT_EQ(0, model_hold(0, false));
		EXPECT_EQ(POLLOUT, issei_call_end(&poller, PROMPT_MS));
		EXPECT_EQ(POLLIN, issei_poll(other, POLLIN, PROMPT_MS));
	}
	ASSERT_EQ(0, model_hold(0, false));
	EXPECT_EQ(POLLIN, issei_poll(self->fd, POLLIN, PROMPT_MS));
	close(other);
}

TEST_F(issei, nonblocking_read)
{
	char in[16];

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	EXPECT_EQ(-ENOTCONN, issei_read(self->fd, in, sizeof(in)));
	EXPECT_EQ(0, issei_read(self->fd, in, 0));
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	if (self->c_driver) {
		struct issei_call reader = { .what = CALL_READ, .fd = self->fd, .len = 16 };

		EXPECT_EQ(0, issei_call_start(&reader)) TH_LOG("the C driver blocks");
		ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
		EXPECT_EQ(4, issei_call_end(&reader, PROMPT_MS));
		C_DRIVER_DIFFERS("nonblock-read");
		return;
	}
	EXPECT_EQ(-EAGAIN, issei_read(self->fd, in, sizeof(in)));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	ASSERT_EQ(POLLIN, issei_poll(self->fd, POLLIN, PROMPT_MS));
	EXPECT_EQ(-EFBIG, issei_read(self->fd, in, 3));
	EXPECT_EQ(4, issei_read(self->fd, in, sizeof(in)));
	EXPECT_EQ(-EAGAIN, issei_read(self->fd, in, sizeof(in)));
}

TEST_F(issei, nonblocking_write)
{
	struct model_counters before, after;
	char in[16];

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	EXPECT_EQ(-ENOTCONN, issei_write(self->fd, "ping", 4));
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, model_counters(0, &before));
	ASSERT_EQ(0, model_hold(0, true));
	ASSERT_EQ(3, issei_write(self->fd, "one", 3));
	if (self->c_driver) {
		struct issei_call writer = { .what = CALL_WRITE, .fd = self->fd, .len = 3 };

		EXPECT_EQ(0, issei_call_start(&writer)) TH_LOG("the C driver blocks");
		ASSERT_EQ(0, model_hold(0, false));
		EXPECT_EQ(3, issei_call_end(&writer, PROMPT_MS));
		C_DRIVER_DIFFERS("nonblock-write");
		return;
	}
	EXPECT_EQ(3, issei_write(self->fd, "two", 3));
	EXPECT_EQ(-EAGAIN, issei_write(self->fd, "three", 5));
	/* what waits its turn goes with its connection: only the first message is sent */
	ASSERT_EQ(0, issei_disconnect(self->fd));
	ASSERT_EQ(0, model_hold(0, false));
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(4, issei_write(self->fd, "four", 4));
	ASSERT_EQ(POLLIN, issei_poll(self->fd, POLLIN, PROMPT_MS));
	EXPECT_EQ(4, issei_read(self->fd, in, sizeof(in)));
	EXPECT_EQ(0, memcmp(in, "four", 4));
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.h2f + 2, after.h2f);
}

TEST_HARNESS_MAIN
