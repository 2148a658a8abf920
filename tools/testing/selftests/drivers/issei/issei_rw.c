// SPDX-License-Identifier: GPL-2.0
/* read and write: every errno, every size, one message for one call. */
#include <limits.h>

#define NEEDS_MODEL true
#include "issei_fixture.h"

static char *bad_page(void)
{
	void *at = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

TEST_F(issei, zero_bytes)
{
	EXPECT_EQ(0, issei_write(self->fd, "", 0));
	EXPECT_EQ(0, issei_read(self->fd, NULL, 0));
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(0, issei_write(self->fd, "", 0));
	EXPECT_EQ(0, issei_read(self->fd, NULL, 0));
	EXPECT_EQ(0, issei_echo(self->fd, 1, 1));
}

TEST_F(issei, not_connected)
{
	uint8_t buf[16] = {};

	EXPECT_EQ(-ENOTCONN, issei_write(self->fd, buf, sizeof(buf)));
	EXPECT_EQ(-ENOTCONN, issei_read(self->fd, buf, sizeof(buf)));
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_disconnect(self->fd));
	EXPECT_EQ(-ENOTCONN, issei_write(self->fd, buf, sizeof(buf)));
	EXPECT_EQ(-ENOTCONN, issei_read(self->fd, buf, sizeof(buf)));
}

TEST_F(issei, echo_client_properties)
{
	struct issei_client client;

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, &client));
	EXPECT_EQ(ECHO_MTU, client.max_msg_length);
	EXPECT_EQ(1, client.protocol_version);
	EXPECT_EQ(0, client.flags);
	ASSERT_EQ(0, issei_disconnect(self->fd));
	ASSERT_EQ(0, issei_connect(self->fd, BULK, &client));
	EXPECT_EQ(BULK_MTU, client.max_msg_length);
}

/* The first length whose echo is not right; 0 if there is none. */
static size_t wrong_echo(int fd, size_t first, size_t last, size_t step)
{
	for (size_t len = first; len <= last; len += step)
		if (issei_echo(fd, len, len))
			return len;
	return 0;
}

TEST_F_TIMEOUT(issei, echo_every_size, 120)
{
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(0, wrong_echo(self->fd, 1, ECHO_MTU, 1));
}

TEST_F_TIMEOUT(issei, bulk_sizes, 120)
{
	ASSERT_EQ(0, issei_connect(self->fd, BULK, NULL));
	EXPECT_EQ(0, wrong_echo(self->fd, 1, 64, 1));
	/* with and without the header, around each power of two */
	for (size_t power = 128; power < ISSEI_SECTION; power *= 2)
		EXPECT_EQ(0, wrong_echo(self->fd, power - ISSEI_HEADER - 1, power + 1, 1));
	EXPECT_EQ(0, wrong_echo(self->fd, 999, BULK_MTU, 3001));
	EXPECT_EQ(0, wrong_echo(self->fd, BULK_MTU - 8, BULK_MTU, 1));
}

TEST_F(issei, write_too_big)
{
	uint8_t *buf = calloc(1, 2 * ISSEI_SECTION);
	struct model_counters before, after;

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, model_counters(0, &before));
	EXPECT_EQ(-EFBIG, issei_write(self->fd, buf, ECHO_MTU + 1));
	EXPECT_EQ(-EFBIG, issei_write(self->fd, buf, BULK_MTU));
	EXPECT_EQ(-EFBIG, issei_write(self->fd, buf, ISSEI_SECTION));
	EXPECT_EQ(-EFBIG, issei_write(self->fd, buf, ISSEI_SECTION + 1));
	EXPECT_EQ(-EFBIG, issei_write(self->fd, buf, INT_MAX));
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.h2f, after.h2f);
	EXPECT_EQ(0, issei_echo(self->fd, ECHO_MTU, 1));

	ASSERT_EQ(0, issei_disconnect(self->fd));
	ASSERT_EQ(0, issei_connect(self->fd, BULK, NULL));
	EXPECT_EQ(-EFBIG, issei_write(self->fd, buf, BULK_MTU + 1));
	EXPECT_EQ(-EFBIG, issei_write(self->fd, buf, ISSEI_SECTION + 1));
	EXPECT_EQ(0, issei_echo(self->fd, BULK_MTU, 2));
	free(buf);
}

TEST_F(issei, write_bad_pointers)
{
	struct model_counters before, after;
	char *page = bad_page();

	ASSERT_NE(NULL, page);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, model_counters(0, &before));
	EXPECT_EQ(-EFAULT, issei_write(self->fd, NULL, 16));
	EXPECT_EQ(-EFAULT, issei_write(self->fd, page, ECHO_MTU));
	EXPECT_EQ(-EFAULT, issei_write(self->fd, (void *)-4096, 16));
	ASSERT_EQ(0, mprotect(page, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, issei_write(self->fd, page + 4090, 16));
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.h2f, after.h2f);
	EXPECT_EQ(0, issei_echo(self->fd, 16, 1));
}

TEST_F(issei, read_bad_pointers)
{
	char *page = bad_page();

	ASSERT_NE(NULL, page);
	for (int i = 0; i < 3; i++) {
		char *const where[] = { NULL, page, (char *)-4096 };

		ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
		ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
		ASSERT_EQ(POLLIN, issei_poll(self->fd, POLLIN, PROMPT_MS));
		EXPECT_EQ(-EFAULT, issei_read(self->fd, where[i], 16));
		/* still connected, whatever became of the message */
		ASSERT_EQ(0, issei_disconnect(self->fd));
	}
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(0, issei_echo(self->fd, 16, 1));
}

TEST_F(issei, read_buffer_too_small)
{
	uint8_t out[100], in[100];

	issei_fill(out, sizeof(out), 7);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(sizeof(out), issei_write(self->fd, out, sizeof(out)));
	ASSERT_EQ(POLLIN, issei_poll(self->fd, POLLIN, PROMPT_MS));
	EXPECT_EQ(-EFBIG, issei_read(self->fd, in, 1));
	EXPECT_EQ(-EFBIG, issei_read(self->fd, in, sizeof(in) - 1));
	EXPECT_EQ(0, issei_read(self->fd, in, 0));

	/* the message stays, whole */
	EXPECT_EQ(POLLIN, issei_poll(self->fd, POLLIN, 0));
	EXPECT_EQ(sizeof(in), issei_read(self->fd, in, sizeof(in)));
	EXPECT_EQ(0, memcmp(in, out, sizeof(in)));
	EXPECT_EQ(0, issei_poll(self->fd, POLLIN, 0));
}

/* A sleeping reader finds out about its small buffer when the message comes. */
TEST_F(issei, read_buffer_too_small_while_asleep)
{
	struct issei_call reader = { .what = CALL_READ, .fd = self->fd, .len = 3 };
	char in[4];

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_call_start(&reader));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	EXPECT_EQ(-EFBIG, issei_call_end(&reader, PROMPT_MS));
	EXPECT_EQ(4, issei_read(self->fd, in, sizeof(in)));
}

TEST_F(issei, read_large_buffer)
{
	uint8_t *buf = malloc(1 << 20);

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	ASSERT_EQ(POLLIN, issei_poll(self->fd, POLLIN, PROMPT_MS));
	if (self->c_driver) {
		EXPECT_EQ(-EFBIG, issei_read(self->fd, buf, ISSEI_SECTION + 1));
		EXPECT_EQ(-EFBIG, issei_read(self->fd, buf, 1 << 20));
		EXPECT_EQ(4, issei_read(self->fd, buf, ISSEI_SECTION));
		C_DRIVER_DIFFERS("read-large-buffer");
	} else {
		EXPECT_EQ(4, issei_read(self->fd, buf, 1 << 20));
	}
	EXPECT_EQ(0, memcmp(buf, "ping", 4));
	free(buf);
}

TEST_F(issei, one_message_per_read)
{
	char in[16];

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
		EXPECT_EQ(4, issei_read(self->fd, in, sizeof(in)));
	}
}

/* A message that comes while one lies unread costs the connection. */
TEST_F(issei, second_message_unread)
{
	int other = issei_open_connected(0, O_RDWR, ECHO_B);
	char in[16];

	ASSERT_LE(0, other);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(3, issei_write(self->fd, "one", 3));
	ASSERT_EQ(POLLIN, issei_poll(self->fd, POLLIN, PROMPT_MS));
	ASSERT_EQ(3, issei_write(self->fd, "two", 3));
	for (int i = 0; i < PROMPT_MS && !(issei_poll(self->fd, POLLIN, 0) & POLLERR); i++)
		sleep_ms(1);

	EXPECT_EQ(-ENOTCONN, issei_read(self->fd, in, sizeof(in)));
	EXPECT_EQ(-ENOTCONN, issei_write(self->fd, "three", 5));
	EXPECT_EQ(-ENOTCONN, issei_disconnect(self->fd));
	EXPECT_EQ(POLLERR, issei_poll(self->fd, POLLIN | POLLOUT, 0));

	/* only this connection, and only until the next one */
	EXPECT_EQ(0, issei_echo(other, 100, 1));
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(0, issei_echo(self->fd, 100, 2));
	close(other);
}

TEST_F(issei, disconnect_forgets_unread_message)
{
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(3, issei_write(self->fd, "old", 3));
	ASSERT_EQ(POLLIN, issei_poll(self->fd, POLLIN, PROMPT_MS));
	ASSERT_EQ(0, issei_disconnect(self->fd));
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(0, issei_poll(self->fd, POLLIN, 50));
	EXPECT_EQ(0, issei_echo(self->fd, 10, 1));
}

/*
 * The length comes back once the message is in shared memory and the doorbell has rung;
 * the model may hear it a moment later, because the register write is posted.
 */
TEST_F(issei, write_returns_when_sent)
{
	struct model_counters before, after;
	uint64_t end;

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, model_counters(0, &before));
	EXPECT_EQ(4, issei_write(self->fd, "ping", 4));
	end = now_ms() + PROMPT_MS;
	do {
		ASSERT_EQ(0, model_counters(0, &after));
	} while (after.h2f == before.h2f && now_ms() < end);
	EXPECT_LE(before.h2f + 1, after.h2f);
	EXPECT_LE(before.doorbells + 1, after.doorbells);
}

/*
 * A write that waits for the section goes out when the firmware has taken the message
 * before it, also if that says nothing: no interrupt for it, and no answer.
 */
TEST_F(issei, write_waits_for_section)
{
	struct issei_call writer = { .what = CALL_WRITE, .fd = self->fd, .len = 7 };
	int other = issei_open_connected(0, O_RDWR, UNASKED);
	static const uint32_t answer_nothing;
	char in[16];

	ASSERT_LE(0, other);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, model_hold(0, true));
	ASSERT_EQ(4, issei_write(other, &answer_nothing, 4));
	ASSERT_EQ(0, issei_call_start(&writer));
	ASSERT_EQ(0, model_hold(0, false));
	if (self->c_driver) {
		EXPECT_EQ(-ETIMEDOUT, issei_call_end(&writer, HOLD_MS + PROMPT_MS));
		ASSERT_EQ(0, issei_disconnect(self->fd));
		EXPECT_EQ(7, issei_call_end(&writer, PROMPT_MS));
		C_DRIVER_DIFFERS("write-wait");
	} else {
		EXPECT_EQ(7, issei_call_end(&writer, HOLD_MS + PROMPT_MS));
		EXPECT_EQ(7, issei_read(self->fd, in, sizeof(in)));
	}
	close(other);
}

TEST_F(issei, spdm_versions)
{
	static const uint8_t get_version[] = { 0x10, 0x84, 0x00, 0x00 };
	uint8_t in[256];
	ssize_t len;

	ASSERT_EQ(0, issei_connect(self->fd, SPDM, NULL));
	ASSERT_EQ(4, issei_write(self->fd, get_version, sizeof(get_version)));
	len = issei_read(self->fd, in, sizeof(in));
	ASSERT_LE(8, len);
	EXPECT_EQ(0x10, in[0]);
	EXPECT_EQ(0x04, in[1]);
	EXPECT_EQ(6 + 2 * in[5], len);
}

TEST_HARNESS_MAIN
