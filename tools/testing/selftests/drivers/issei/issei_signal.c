// SPDX-License-Identifier: GPL-2.0
/* Signals: a call that sleeps ends with EINTR and has sent nothing. */
#include <signal.h>

#define NEEDS_MODEL true
#include "issei_fixture.h"

TEST_F(issei, interrupted_read)
{
	struct issei_call reader = { .what = CALL_READ, .fd = self->fd, .len = 16 };
	char in[16];

	catch_signal(SIGUSR1);
	ASSERT_EQ(0, issei_connect(self->fd, LATE, NULL));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	ASSERT_EQ(0, issei_call_start(&reader));
	ASSERT_EQ(0, pthread_kill(reader.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, issei_call_end(&reader, PROMPT_MS));

	/* the connection stands, and the message comes all the same */
	EXPECT_EQ(4, issei_read(self->fd, in, sizeof(in)));
	EXPECT_EQ(0, memcmp(in, "ping", 4));
}

TEST_F(issei, interrupted_write_sent_nothing)
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
	ASSERT_EQ(0, pthread_kill(writer.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, issei_call_end(&writer, PROMPT_MS));

	ASSERT_EQ(0, model_hold(0, false));
	EXPECT_EQ(4, issei_read(self->fd, in, sizeof(in)));
	EXPECT_EQ(0, issei_poll(writer.fd, POLLIN, 100));
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.h2f + 1, after.h2f);
	EXPECT_EQ(0, issei_echo(writer.fd, 7, 1));
	close(writer.fd);
}

TEST_F(issei, interrupted_poll)
{
	struct issei_call poller = { .what = CALL_POLL, .fd = self->fd, .events = POLLIN };

	catch_signal(SIGUSR1);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_call_start(&poller));
	ASSERT_EQ(0, pthread_kill(poller.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, issei_call_end(&poller, PROMPT_MS));
	EXPECT_EQ(0, issei_echo(self->fd, 16, 1));
}

/* A child that is ended while it sleeps in read or write goes at once and leaves nothing. */
static pid_t fork_blocked(int fd, bool write)
{
	pid_t child = fork();
	char in[16];

	if (child)
		return child;
	if (write)
		issei_write(fd, "killed", 6);
	else
		issei_read(fd, in, sizeof(in));
	_exit(1);
}

static bool wait_state(pid_t pid, char state)
{
	uint64_t end = now_ms() + PROMPT_MS;
	char path[64], text[512], *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	do {
		if (file_read(path, text, sizeof(text)) > 0) {
			at = strrchr(text, ')');
			if (at && at[1] == ' ' && at[2] == state)
				return true;
		}
		sleep_ms(1);
	} while (now_ms() < end);
	return false;
}

static void expect_killed(struct __test_metadata *_metadata, pid_t child)
{
	uint64_t start = now_ms();
	int status = 0;

	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_GT(PROMPT_MS, now_ms() - start);
}

TEST_F(issei, killed_reader)
{
	pid_t child;

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	child = fork_blocked(self->fd, false);
	ASSERT_LT(0, child);
	ASSERT_TRUE(wait_state(child, 'S'));
	expect_killed(_metadata, child);
	EXPECT_EQ(0, issei_echo(self->fd, 16, 1));
}

TEST_F(issei, killed_writer)
{
	struct model_counters before, after;
	char in[16];
	pid_t child;

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, model_counters(0, &before));
	ASSERT_EQ(0, model_hold(0, true));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	child = fork_blocked(self->fd, true);
	ASSERT_LT(0, child);
	ASSERT_TRUE(wait_state(child, 'S'));
	expect_killed(_metadata, child);
	ASSERT_EQ(0, model_hold(0, false));
	EXPECT_EQ(4, issei_read(self->fd, in, sizeof(in)));
	EXPECT_EQ(0, issei_echo(self->fd, 16, 1));
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.h2f + 2, after.h2f);
}

/*
 * A stopped reader with a message waiting keeps nobody else from working, and gets its
 * message when it goes on. Its read may end with EINTR before, as the table says.
 */
TEST_F(issei, stopped_reader)
{
	int other = issei_open_connected(0, O_RDWR, ECHO_B);
	int status = -1;
	pid_t child;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	child = fork();
	if (!child) {
		char in[16];
		ssize_t ret;

		do {
			ret = issei_read(self->fd, in, sizeof(in));
		} while (ret == -EINTR);
		_exit(ret == 4 && !memcmp(in, "ping", 4) ? 0 : 1);
	}
	ASSERT_TRUE(wait_state(child, 'S'));
	ASSERT_EQ(0, kill(child, SIGSTOP));
	ASSERT_TRUE(wait_state(child, 'T'));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	for (int i = 0; i < 200; i++)
		ASSERT_EQ(0, issei_echo(other, 1 + i * 25, i));
	ASSERT_EQ(0, kill(child, SIGCONT));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	close(other);
}

TEST_HARNESS_MAIN
