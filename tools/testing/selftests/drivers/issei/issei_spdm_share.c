// SPDX-License-Identifier: GPL-2.0
/*
 * The firmware has one SPDM connection. The agent and programs share it: a program's
 * session is never disturbed, and a program waits for the agent as long as is promised.
 */
#include <signal.h>
#include <sys/wait.h>

#include "issei_spdm_fixture.h"

#define CONNECT_MS	10000	/* how long a connect waits */
#define LATENCY_MS	100

static int latency(unsigned int ms)
{
	return model_do(0, "{'cmd':'set','response_latency_us':%u}", ms * 1000);
}

/* The agent, in an exchange that takes @ms for each message; it has begun. */
static int slow_agent(unsigned int ms)
{
	int ret = latency(ms);

	if (!ret)
		ret = spdm_write(0, "authenticate", "1");
	return ret ?: spdm_wait_state(0, "running", PROMPT_MS);
}

/* The agent waits for a signature for ever, which is 10 s. */
static int stuck_agent(void)
{
	int ret = model_spdm_set(0, "'ct_exponent':31");

	if (!ret)
		ret = model_spdm_fault(0, "spdm-silent", "'on':'challenge-auth'");
	if (!ret)
		ret = spdm_write(0, "authenticate", "1");
	return ret ?: spdm_wait_state(0, "running", PROMPT_MS);
}

/* A program is connected: the agent says so, and runs when it has gone. */
TEST_F(agent, busy)
{
	uint64_t generation, count = spdm_number(0, "log_count");
	int fd = issei_open_connected(0, O_RDWR, SPDM);
	struct model_counters before, after;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, model_counters(0, &before));
	ASSERT_EQ(0, spdm_write(0, "authenticate", "1"));
	ASSERT_EQ(0, spdm_wait_state(0, "busy", PROMPT_MS));
	sleep_ms(300);
	EXPECT_TRUE(spdm_is(0, "state", "busy"));
	EXPECT_EQ(count, spdm_number(0, "log_count"));
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.h2f, after.h2f);

	generation = spdm_number(0, "generation");
	ASSERT_EQ(0, issei_disconnect(fd));
	ASSERT_EQ(0, spdm_wait_generation(0, generation, SPDM_SETTLE_MS));
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
	EXPECT_EQ(count + 2, spdm_number(0, "log_count"));

	/* the same if it closes the file, or dies */
	ASSERT_EQ(0, issei_connect(fd, SPDM, NULL));
	ASSERT_EQ(0, spdm_write(0, "authenticate", "1"));
	ASSERT_EQ(0, spdm_wait_state(0, "busy", PROMPT_MS));
	close(fd);
	EXPECT_EQ(0, spdm_wait_state(0, "authenticated", SPDM_SETTLE_MS));
	EXPECT_EQ(count + 4, spdm_number(0, "log_count"));
}

/* A connection that is gone before anybody asks leaves nothing to do. */
TEST_F(agent, nothing_to_do)
{
	uint64_t generation = spdm_number(0, "generation");
	int fd = issei_open_connected(0, O_RDWR, SPDM);

	ASSERT_LE(0, fd);
	close(fd);
	sleep_ms(200);
	EXPECT_EQ(generation, spdm_number(0, "generation"));
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
}

/* What a program negotiated stays: GET_DIGESTS works only in the connection it made. */
TEST_F(agent, session)
{
	static const uint8_t version[] = { 0x10, 0x84, 0, 0 };
	static const uint8_t capabilities[20] = { 0x12, 0xe1, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0,
						  0, 16, 0, 0, 0, 16 };
	static const uint8_t algorithms[32] = { 0x12, 0xe3, 0, 0, 32, 0, 1, 0, 0x80, 0, 0, 0,
						2, 0, 0, 0 };
	static const uint8_t digests[] = { 0x12, 0x81, 0, 0 };
	static const struct {
		const uint8_t *request;
		size_t size;
		uint8_t answer;
	} exchanges[] = {
		{ version, sizeof(version), 0x04 },
		{ capabilities, sizeof(capabilities), 0x61 },
		{ algorithms, sizeof(algorithms), 0x63 },
		{ digests, sizeof(digests), 0x01 },
		{ digests, sizeof(digests), 0x01 },
	};
	uint64_t generation = spdm_number(0, "generation");
	int fd = issei_open_connected(0, O_RDWR, SPDM);
	struct model_counters before, after;
	static uint8_t in[ISSEI_SECTION];

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, model_counters(0, &before));
	for (size_t i = 0; i < ARRAY_SIZE(exchanges); i++) {
		ASSERT_EQ(exchanges[i].size,
			  issei_write(fd, exchanges[i].request, exchanges[i].size));
		ASSERT_EQ(0, spdm_write(0, "authenticate", "1"));
		ASSERT_LT(4, issei_read(fd, in, sizeof(in)));
		EXPECT_EQ(exchanges[i].answer, in[1]) TH_LOG("exchange %zu", i);
		ASSERT_EQ(0, spdm_wait_state(0, "busy", PROMPT_MS));
	}
	EXPECT_EQ(0, issei_poll(fd, POLLIN, 100));
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.h2f + ARRAY_SIZE(exchanges), after.h2f);
	generation = spdm_number(0, "generation");
	close(fd);
	ASSERT_EQ(0, spdm_wait_generation(0, generation, SPDM_SETTLE_MS));
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
}

/* After a reset the agent and programs want it at the same time, and all get it. */
TEST_F(agent, after_reset)
{
	for (int i = 0; i < 5; i++) {
		uint64_t generation = spdm_number(0, "generation");
		int fd = issei_open(0, O_RDWR);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, model_do(0, "{'cmd':'reset_firmware','down_ms':50}"));
		sleep_ms(60);
		ASSERT_EQ(0, issei_wait_connect(fd, SPDM, LINK_UP_MS));
		sleep_ms(20 * i);
		close(fd);
		ASSERT_EQ(0, spdm_wait_generation(0, generation, SPDM_SETTLE_MS));
		ASSERT_EQ(0, spdm_wait_state(0, "authenticated", SPDM_SETTLE_MS));
	}
}

TEST_F(agent, connect_waits)
{
	int fd = issei_open(0, O_RDWR);
	uint64_t start = now_ms(), generation = spdm_number(0, "generation");

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, slow_agent(LATENCY_MS));
	EXPECT_EQ(0, issei_connect(fd, SPDM, NULL));
	EXPECT_LT(3 * LATENCY_MS, now_ms() - start);
	EXPECT_GT(CONNECT_MS, now_ms() - start);

	/* the agent was not cut short; it tells after it has let go of the client */
	ASSERT_EQ(0, spdm_wait_generation(0, generation, SPDM_SETTLE_MS));
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
	close(fd);
}

TEST_F(agent, connect_nonblocking)
{
	int fd = issei_open(0, O_RDWR | O_NONBLOCK), other = issei_open(0, O_RDWR);
	uint64_t start;

	ASSERT_LE(0, fd);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, slow_agent(LATENCY_MS));
	start = now_ms();
	EXPECT_EQ(-EBUSY, issei_connect(fd, SPDM, NULL));
	EXPECT_GT(LATENCY_MS, now_ms() - start);

	/* other clients are not the agent's */
	EXPECT_EQ(0, issei_connect(fd, ECHO_A, NULL));
	EXPECT_TRUE(spdm_is(0, "state", "running"));
	ASSERT_EQ(0, issei_disconnect(fd));

	/* a program that holds it is told at once, to whoever asks */
	ASSERT_EQ(0, issei_connect(other, SPDM, NULL));
	start = now_ms();
	EXPECT_EQ(-EBUSY, issei_connect(fd, SPDM, NULL));
	close(fd);
	fd = issei_open(0, O_RDWR);
	EXPECT_EQ(-EBUSY, issei_connect(fd, SPDM, NULL));
	EXPECT_GT(PROMPT_MS, now_ms() - start);
	close(fd);
	close(other);
}

static pid_t connect_in_child(int signal)
{
	pid_t pid = fork();

	if (!pid) {
		int fd;

		if (signal)
			catch_signal(signal);
		fd = issei_open(0, O_RDWR);
		_exit(issei_connect(fd, SPDM, NULL) ? 1 : 0);
	}
	return pid;
}

/* Whoever waits can be killed; another signal makes no difference. */
TEST_F_TIMEOUT(agent, connect_signals, 60)
{
	static const int deadly[] = { SIGKILL, SIGTERM };
	uint64_t start;
	int status;
	pid_t pid;

	ASSERT_EQ(0, stuck_agent());
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++) {
		pid = connect_in_child(0);
		sleep_ms(300);
		start = now_ms();
		ASSERT_EQ(0, kill(pid, deadly[i]));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_GT(PROMPT_MS, now_ms() - start);
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	EXPECT_TRUE(spdm_is(0, "state", "running"));

	/* a slow agent, that ends */
	ASSERT_EQ(0, model_do(0, "{'cmd':'clear_faults'}"));
	ASSERT_EQ(0, spdm_reset_link(0));
	ASSERT_EQ(0, slow_agent(LATENCY_MS));
	pid = connect_in_child(SIGUSR1);
	sleep_ms(2 * LATENCY_MS);
	for (int i = 0; i < 5; i++)
		kill(pid, SIGUSR1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* All who wait are served, one after the other. */
TEST_F(agent, connect_queue)
{
	pid_t pid[4];
	int status;

	ASSERT_EQ(0, slow_agent(LATENCY_MS));
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = fork();
		if (!pid[i]) {
			int fd = issei_open(0, O_RDWR), ret;

			do {
				ret = issei_connect(fd, SPDM, NULL);
			} while (ret == -EBUSY);
			_exit(ret ? 1 : 0);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(0, WEXITSTATUS(status));
	}
}

/* Whoever waits while the link goes is told. */
TEST_F(agent, connect_and_reset)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, slow_agent(5 * LATENCY_MS));
	pid = connect_in_child(0);
	sleep_ms(LATENCY_MS);
	ASSERT_EQ(0, model_do(0, "{'cmd':'reset_firmware','down_ms':200}"));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(1, WEXITSTATUS(status));
	ASSERT_EQ(0, latency(0));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(0, spdm_wait_state(0, "authenticated", SPDM_SETTLE_MS));
}

/* The agent is none of the files, neither when it runs nor when they are many. */
TEST_F(agent, no_file)
{
	int fd[ISSEI_MAX_FILES];

	for (int i = 0; i < ISSEI_MAX_FILES; i++) {
		fd[i] = issei_open(0, O_RDWR);
		ASSERT_LE(0, fd[i]);
	}
	EXPECT_EQ(-EMFILE, issei_open(0, O_RDWR));
	ASSERT_EQ(0, spdm_authenticate(0));
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
	close(fd[0]);
	ASSERT_EQ(0, slow_agent(LATENCY_MS));
	fd[0] = issei_open(0, O_RDWR);
	EXPECT_LE(0, fd[0]);
	EXPECT_TRUE(spdm_is(0, "state", "running"));
	for (int i = 0; i < ISSEI_MAX_FILES; i++)
		close(fd[i]);
	EXPECT_EQ(0, issei_wait_agent(0, SPDM_SETTLE_MS));
}

/* Many requests make no queue. */
TEST_F(agent, many_requests)
{
	uint64_t count = spdm_number(0, "log_count");

	ASSERT_EQ(0, slow_agent(20 * SLOWNESS));
	for (int i = 0; i < 200; i++)
		ASSERT_EQ(0, spdm_write(0, "authenticate", "1"));
	ASSERT_EQ(0, issei_wait_agent(0, SPDM_SETTLE_MS));
	/* between two of them it has nothing to do for an instant */
	EXPECT_EQ(0, spdm_wait_state(0, "authenticated", SPDM_SETTLE_MS));
	EXPECT_GE(count + 4, spdm_number(0, "log_count"));
}

TEST_HARNESS_MAIN
