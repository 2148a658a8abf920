// SPDX-License-Identifier: GPL-2.0
/* Many files, many clients, many programs, and one file in many hands. */
#include <signal.h>

#define NEEDS_MODEL true
#include "issei_fixture.h"

TEST_F(issei, files_per_device)
{
	int fd[ISSEI_MAX_FILES];

	fd[0] = self->fd;
	for (int i = 1; i < ISSEI_MAX_FILES; i++) {
		fd[i] = issei_open(0, O_RDWR);
		ASSERT_LE(0, fd[i]) TH_LOG("file %d", i + 1);
	}
	EXPECT_EQ(-EMFILE, issei_open(0, O_RDWR));
	EXPECT_EQ(-EMFILE, issei_open(0, O_RDONLY | O_NONBLOCK));

	/* every one works */
	for (int i = 0; i < ISSEI_MAX_FILES; i++) {
		ASSERT_EQ(0, issei_connect(fd[i], ECHO_A, NULL));
		ASSERT_EQ(0, issei_echo(fd[i], 8, i));
		ASSERT_EQ(0, issei_disconnect(fd[i]));
	}

	/* a closed one makes room for one */
	ASSERT_EQ(0, close(fd[100]));
	fd[100] = issei_open(0, O_RDWR);
	EXPECT_LE(0, fd[100]);
	EXPECT_EQ(-EMFILE, issei_open(0, O_RDWR));
	for (int i = 1; i < ISSEI_MAX_FILES; i++)
		close(fd[i]);
}

struct talk {
	const uint8_t *uuid;
	size_t max;
	int rounds;
	int result;
	pthread_t thread;
};

static void *talk_run(void *arg)
{
	struct talk *talk = arg;
	int fd = issei_open_connected(0, O_RDWR, talk->uuid);

	talk->result = fd < 0 ? fd : 0;
	for (int i = 0; !talk->result && i < talk->rounds; i++)
		talk->result = issei_echo(fd, 1 + i * 37 % talk->max, i);
	if (fd >= 0)
		close(fd);
	return NULL;
}

TEST_F_TIMEOUT(issei, many_clients_at_once, 120)
{
	struct talk talks[] = {
		{ .uuid = ECHO_A, .max = ECHO_MTU, .rounds = 1000 },
		{ .uuid = ECHO_B, .max = ECHO_MTU, .rounds = 1000 },
		{ .uuid = BULK, .max = BULK_MTU, .rounds = 1000 },
		{ .uuid = LATE, .max = ECHO_MTU, .rounds = 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(talks); i++)
		ASSERT_EQ(0, pthread_create(&talks[i].thread, NULL, talk_run, &talks[i]));
	for (size_t i = 0; i < ARRAY_SIZE(talks); i++) {
		ASSERT_EQ(0, pthread_join(talks[i].thread, NULL));
		EXPECT_EQ(0, talks[i].result) TH_LOG("client %zu", i);
	}
}

static void *flood(void *arg)
{
	static const uint32_t answer_nothing;
	bool *stop = arg;
	int fd = issei_open_connected(0, O_RDWR, UNASKED);

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED))
		issei_write(fd, &answer_nothing, sizeof(answer_nothing));
	close(fd);
	return NULL;
}

/* Who writes in a loop keeps nobody else from writing, whether it waits or polls. */
TEST_F(issei, flooding_writer)
{
	int flags[] = { O_RDWR, O_RDWR | O_NONBLOCK };
	pthread_t thread;
	bool stop = false;

	ASSERT_EQ(0, model_do(0, "{\"cmd\":\"set\",\"consume_latency_us\":1000}"));
	if (self->c_driver)	/* see "write-wait" */
		ASSERT_EQ(0, model_do(0, "{\"cmd\":\"set\",\"notify\":\"consumed\"}"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, flood, &stop));
	sleep_ms(50);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		int rounds = 0, fd = issei_open_connected(0, flags[i], ECHO_A);
		uint64_t end = now_ms() + PROMPT_MS;
		char in[16];

		ASSERT_LE(0, fd);
		while (now_ms() < end) {
			if (issei_poll(fd, POLLOUT, PROMPT_MS) != POLLOUT ||
			    issei_write(fd, "ping", 4) != 4)
				continue;
			ASSERT_EQ(POLLIN, issei_poll(fd, POLLIN, PROMPT_MS));
			ASSERT_EQ(4, issei_read(fd, in, sizeof(in)));
			rounds++;
		}
		TH_LOG("%d round trips", rounds);
		EXPECT_LE(20, rounds);
		close(fd);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
}

#define RACERS 8

struct race {
	pthread_barrier_t start, end;
	int fd[RACERS], result[RACERS];
	bool over;
};

struct racer {
	struct race *race;
	int number;
	pthread_t thread;
};

static void *race_run(void *arg)
{
	struct racer *racer = arg;
	struct race *race = racer->race;

	for (;;) {
		pthread_barrier_wait(&race->start);
		if (race->over)
			return NULL;
		race->result[racer->number] = issei_connect(race->fd[racer->number], ECHO_A, NULL);
		pthread_barrier_wait(&race->end);
	}
}

/* Of many that connect to one client at once, each with a file, one gets it. */
TEST_F(issei, connect_race_of_files)
{
	struct racer racers[RACERS];
	struct race race = {};

	pthread_barrier_init(&race.start, NULL, RACERS + 1);
	pthread_barrier_init(&race.end, NULL, RACERS + 1);
	for (int i = 0; i < RACERS; i++) {
		race.fd[i] = issei_open(0, O_RDWR);
		ASSERT_LE(0, race.fd[i]);
		racers[i] = (struct racer) { .race = &race, .number = i };
		ASSERT_EQ(0, pthread_create(&racers[i].thread, NULL, race_run, &racers[i]));
	}
	for (int round = 0; round < 200; round++) {
		int winners = 0;

		pthread_barrier_wait(&race.start);
		pthread_barrier_wait(&race.end);
		for (int i = 0; i < RACERS; i++) {
			if (!race.result[i]) {
				winners++;
				EXPECT_EQ(0, issei_echo(race.fd[i], 8, round));
				EXPECT_EQ(0, issei_disconnect(race.fd[i]));
			} else {
				EXPECT_EQ(-EBUSY, race.result[i]);
			}
		}
		ASSERT_EQ(1, winners);
	}
	race.over = true;
	pthread_barrier_wait(&race.start);
	for (int i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		close(race.fd[i]);
	}
}

/* The same with one file in many hands: the others see that it is connected. */
TEST_F(issei, connect_race_on_one_file)
{
	struct racer racers[RACERS];
	struct race race = {};

	pthread_barrier_init(&race.start, NULL, RACERS + 1);
	pthread_barrier_init(&race.end, NULL, RACERS + 1);
	for (int i = 0; i < RACERS; i++) {
		race.fd[i] = self->fd;
		racers[i] = (struct racer) { .race = &race, .number = i };
		ASSERT_EQ(0, pthread_create(&racers[i].thread, NULL, race_run, &racers[i]));
	}
	for (int round = 0; round < 200; round++) {
		int winners = 0;

		pthread_barrier_wait(&race.start);
		pthread_barrier_wait(&race.end);
		for (int i = 0; i < RACERS; i++) {
			winners += !race.result[i];
			if (race.result[i])
				EXPECT_EQ(-EISCONN, race.result[i]);
		}
		ASSERT_EQ(1, winners);
		ASSERT_EQ(0, issei_disconnect(self->fd));
	}
	race.over = true;
	pthread_barrier_wait(&race.start);
	for (int i = 0; i < RACERS; i++)
		pthread_join(racers[i].thread, NULL);
}

/* Programs that open, connect, talk and are killed at any moment leave the client free. */
TEST_F(issei, killed_programs)
{
	for (int round = 0; round < 50; round++) {
		pid_t child = fork();

		ASSERT_LE(0, child);
		if (!child) {
			int fd = issei_open(0, O_RDWR);

			for (;;) {
				issei_connect(fd, ECHO_A, NULL);
				issei_echo(fd, 100, 1);
				issei_disconnect(fd);
			}
		}
		usleep(1000 + round * 517 % 10000);
		ASSERT_EQ(0, kill(child, SIGKILL));
		ASSERT_EQ(child, waitpid(child, NULL, 0));
		ASSERT_EQ(0, issei_wait_connect(self->fd, ECHO_A, LINK_UP_MS));
		if (self->c_driver) {
			/* an answer to the dead may have reset the link */
			issei_disconnect(self->fd);
			continue;
		}
		ASSERT_EQ(0, issei_echo(self->fd, 100, round));
		ASSERT_EQ(0, issei_disconnect(self->fd));
	}
	if (self->c_driver)
		C_DRIVER_DIFFERS("isolation");
}

TEST_F(issei, two_programs_one_client)
{
	int ready[2];
	pid_t child;
	char byte;

	ASSERT_EQ(0, pipe(ready));
	child = fork();
	if (!child) {
		int fd = issei_open_connected(0, O_RDWR, ECHO_A);

		if (fd < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_EQ(-EBUSY, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(0, issei_connect(self->fd, ECHO_B, NULL));
	EXPECT_EQ(0, issei_disconnect(self->fd));
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
}

TEST_F(issei, duplicated_file)
{
	int copy = dup(self->fd);

	ASSERT_LE(0, copy);
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(-EISCONN, issei_connect(copy, ECHO_A, NULL));
	ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
	EXPECT_EQ(POLLIN, issei_poll(copy, POLLIN, PROMPT_MS));
	ASSERT_EQ(0, close(self->fd));

	/* the connection lives as long as one of the two */
	self->fd = issei_open(0, O_RDWR);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(-EBUSY, issei_connect(self->fd, ECHO_A, NULL));
	EXPECT_EQ(POLLIN, issei_poll(copy, POLLIN, 0));
	ASSERT_EQ(0, close(copy));
	EXPECT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
}

TEST_F(issei, forked_file)
{
	char in[16];
	pid_t child;
	int status;

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	child = fork();
	if (!child)
		_exit(issei_write(self->fd, "ping", 4) == 4 ? 0 : 1);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(4, issei_read(self->fd, in, sizeof(in)));

	/* the child's end did not end the connection; its disconnect does */
	child = fork();
	if (!child)
		_exit(issei_disconnect(self->fd) ? 1 : 0);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-ENOTCONN, issei_write(self->fd, "ping", 4));
}

static bool any_done(struct issei_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (__atomic_load_n(&calls[i].done, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

/* Of several that sleep in read on one file, one gets the message and the others sleep on. */
TEST_F(issei, readers_of_one_file)
{
	struct issei_call readers[4];
	int found_nothing = 0;

	for (int round = 0; round < 20; round++) {
		int got = 0;

		ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
		for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
			readers[i] = (struct issei_call) {
				.what = CALL_READ, .fd = self->fd, .len = 16,
			};
			ASSERT_EQ(0, issei_call_start(&readers[i]));
		}
		ASSERT_EQ(4, issei_write(self->fd, "ping", 4));
		for (int i = 0; i < PROMPT_MS && !any_done(readers, ARRAY_SIZE(readers)); i++)
			sleep_ms(1);
		sleep_ms(20);
		ASSERT_EQ(0, issei_disconnect(self->fd));
		for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
			ssize_t ret = issei_call_end(&readers[i], PROMPT_MS);

			got += ret == 4;
			if (self->c_driver && ret == -ENOENT)
				found_nothing++;
			else if (ret != 4)
				EXPECT_EQ(-ENOTCONN, ret);
		}
		EXPECT_EQ(1, got);
	}
	/* a race in the C driver, which is not seen each time */
	if (found_nothing)
		C_DRIVER_DIFFERS("read-enoent");
}

TEST_HARNESS_MAIN
