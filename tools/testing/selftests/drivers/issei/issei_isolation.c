// SPDX-License-Identifier: GPL-2.0
/* What goes wrong on one connection stays there. */
#define NEEDS_MODEL true
#include "issei_fixture.h"

/* The next message of a firmware client is wrong in this way. */
static int next_message(const char *fault)
{
	return model_do(0, "{\"cmd\":\"fault\",\"name\":\"%s\"}", fault);
}

static uint64_t resets(struct __test_metadata *_metadata)
{
	struct model_counters counters;

	ASSERT_EQ(0, model_counters(0, &counters));
	return counters.resets_host;
}

/* Did the bystander lose its connection? On the C driver it does, with the whole link. */
#define EXPECT_BYSTANDER(fd, before)						\
	do {									\
		if (self->c_driver) {						\
			sleep_ms(200);						\
			EXPECT_LT(before, resets(_metadata));			\
			ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));		\
			EXPECT_EQ(-ENOTCONN, issei_disconnect(fd));		\
			C_DRIVER_DIFFERS("isolation");				\
		} else {							\
			sleep_ms(50);						\
			EXPECT_EQ(0, issei_echo(fd, 100, 1));			\
			EXPECT_EQ(before, resets(_metadata));			\
		}								\
	} while (0)

/* A program that writes and closes before the answer comes harms nobody. */
TEST_F(issei, write_and_close)
{
	uint64_t before = resets(_metadata);

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	for (int i = 0; i < (self->c_driver ? 1 : 20); i++) {
		int other = issei_open_connected(0, O_RDWR, LATE);

		ASSERT_LE(0, other);
		ASSERT_EQ(4, issei_write(other, "ping", 4));
		ASSERT_EQ(0, close(other));
		if (!self->c_driver)
			ASSERT_EQ(0, issei_echo(self->fd, 100, i));
	}
	sleep_ms(500);
	EXPECT_BYSTANDER(self->fd, before);
}

/* The same with a disconnect and a new connection: the old answer is not for it. */
TEST_F(issei, stale_answer)
{
	char in[16];
	int other = issei_open_connected(0, O_RDWR, LATE);

	ASSERT_LE(0, other);
	ASSERT_EQ(3, issei_write(other, "old", 3));
	ASSERT_EQ(0, issei_disconnect(other));
	ASSERT_EQ(0, issei_connect(other, LATE, NULL));
	if (self->c_driver) {
		EXPECT_EQ(3, issei_read(other, in, sizeof(in)));
		C_DRIVER_DIFFERS("stale-answer");
	} else {
		EXPECT_EQ(0, issei_poll(other, POLLIN, 500));
		EXPECT_EQ(3, issei_write(other, "new", 3));
		EXPECT_EQ(3, issei_read(other, in, sizeof(in)));
		EXPECT_EQ(0, memcmp(in, "new", 3));
	}
	close(other);
}

TEST_F(issei, message_for_nobody)
{
	int other = issei_open_connected(0, O_RDWR, ECHO_B);
	uint64_t before = resets(_metadata);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, next_message("message-wrong-host"));
	ASSERT_EQ(4, issei_write(other, "ping", 4));
	EXPECT_BYSTANDER(self->fd, before);
	close(other);
}

TEST_F(issei, message_from_wrong_client)
{
	int other = issei_open_connected(0, O_RDWR, ECHO_B);
	uint64_t before = resets(_metadata);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, next_message("message-wrong-firmware"));
	ASSERT_EQ(4, issei_write(other, "ping", 4));
	EXPECT_BYSTANDER(self->fd, before);
	close(other);
}

/* A status other than success ends the connection that it names. */
TEST_F(issei, error_status)
{
	int other = issei_open_connected(0, O_RDWR, ECHO_B);
	struct issei_call reader = { .what = CALL_READ, .fd = other, .len = 16 };
	uint64_t before = resets(_metadata);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_call_start(&reader));
	ASSERT_EQ(0, next_message("message-status"));
	ASSERT_EQ(4, issei_write(other, "ping", 4));
	EXPECT_EQ(-ENOTCONN, issei_call_end(&reader, LINK_UP_MS));
	EXPECT_BYSTANDER(self->fd, before);
	ASSERT_EQ(0, issei_wait_connect(other, ECHO_B, LINK_UP_MS));
	EXPECT_EQ(0, issei_echo(other, 4, 2));
	close(other);
}

/* A message larger than the client's MTU ends the connection; both drivers agree. */
TEST_F(issei, message_above_mtu)
{
	int other = issei_open_connected(0, O_RDWR, ECHO_B);
	struct issei_call reader = { .what = CALL_READ, .fd = other, .len = ISSEI_SECTION };
	uint64_t before = resets(_metadata);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_call_start(&reader));
	ASSERT_EQ(0, next_message("message-over-mtu"));
	ASSERT_EQ(4, issei_write(other, "ping", 4));
	EXPECT_EQ(-ENOTCONN, issei_call_end(&reader, PROMPT_MS));
	EXPECT_EQ(0, issei_echo(self->fd, 100, 1));
	EXPECT_EQ(before, resets(_metadata));
	close(other);
}

/* A message without payload is a message. */
TEST_F(issei, empty_message)
{
	char in[16];

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, next_message("message-empty"));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	ASSERT_EQ(POLLIN, issei_poll(self->fd, POLLIN, PROMPT_MS));
	EXPECT_EQ(0, issei_read(self->fd, in, sizeof(in)));
	EXPECT_EQ(0, issei_poll(self->fd, POLLIN, 0));
	EXPECT_EQ(0, issei_echo(self->fd, 100, 1));
}

/* The answer that never comes is no fault of the link. */
TEST_F(issei, swallowed_message)
{
	int other = issei_open_connected(0, O_RDWR, ECHO_B);
	uint64_t before = resets(_metadata);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, next_message("message-swallowed"));
	ASSERT_EQ(4, issei_write(other, "ping", 4));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, issei_echo(self->fd, 100, i));
		usleep(15000);
	}
	EXPECT_EQ(before, resets(_metadata));
	EXPECT_EQ(0, issei_poll(other, POLLIN, 0));
	EXPECT_EQ(0, issei_echo(other, 100, 1));
	close(other);
}

/* Nobody reads what the client says unasked: it loses its connection, the others nothing. */
TEST_F(issei, unread_messages)
{
	static const uint32_t request[] = { 20, 20000, 64 };	/* 20 messages, one each 20 ms */
	int other = issei_open_connected(0, O_RDWR, UNASKED);
	uint64_t before = resets(_metadata), end = now_ms() + PROMPT_MS;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(sizeof(request), issei_write(other, request, sizeof(request)));
	while (now_ms() < end && !(issei_poll(other, POLLIN, 0) & POLLERR))
		sleep_ms(1);
	EXPECT_EQ(-ENOTCONN, issei_disconnect(other));
	/* on the C driver what it says next finds no connection, and the link is reset */
	EXPECT_BYSTANDER(self->fd, before);
	sleep_ms(400);
	if (!self->c_driver)
		EXPECT_EQ(before, resets(_metadata));
	close(other);
}

TEST_F(issei, messages_unasked)
{
	static const uint32_t request[] = { 10, 100000, 64 };
	uint32_t in[16];

	ASSERT_EQ(0, issei_connect(self->fd, UNASKED, NULL));
	ASSERT_EQ(sizeof(request), issei_write(self->fd, request, sizeof(request)));
	for (uint32_t i = 0; i < request[0]; i++) {
		ASSERT_EQ(sizeof(in), issei_read(self->fd, in, sizeof(in)));
		EXPECT_EQ(i, in[0]);
	}
	EXPECT_EQ(0, issei_poll(self->fd, POLLIN, 200));
}

/* A corrupted bus message is a fault of the link. */
TEST_F(issei, corrupted_bus_message)
{
	uint64_t before = resets(_metadata), end = now_ms() + LINK_UP_MS;

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, next_message("message-bus"));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	while (resets(_metadata) == before && now_ms() < end)
		sleep_ms(1);
	EXPECT_EQ(before + 1, resets(_metadata));
	ASSERT_EQ(0, issei_wait_connect(self->fd, ECHO_A, LINK_UP_MS));
	EXPECT_EQ(0, issei_echo(self->fd, 100, 1));
}

/*
 * The length in the header goes on changing after the message was announced. It is looked at
 * once: either the message is the one that was sent, or the length was wrong at that moment.
 */
TEST_F_TIMEOUT(issei, header_changes, 60)
{
	static const size_t lengths[] = { 100, 60000 };
	int whole = 0, wrong = 0;

	if (self->c_driver)
		SKIP(return, "the C driver gives up after three resets in a row");
	for (int i = 0; i < 20; i++) {
		int fd = issei_open(0, O_RDWR), ret;

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, issei_wait_connect(fd, BULK, LINK_UP_MS));
		ASSERT_EQ(0, issei_wait_agent(0, LINK_UP_MS));
		ASSERT_EQ(0, next_message("header-changes"));
		ret = issei_echo(fd, lengths[i % 2], i);
		close(fd);
		whole += !ret;
		wrong += ret == -ENOTCONN || ret == -EBUSY;
		EXPECT_EQ(i + 1, whole + wrong) TH_LOG("%d", ret);
		if (ret) {
			/* or it would wait longer after each of them */
			ASSERT_EQ(0, file_write("/sys/class/issei/issei0/reset", "1"));
			ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
		}
	}
	TH_LOG("%d whole, %d with a wrong length", whole, wrong);
}

TEST_HARNESS_MAIN
