// SPDX-License-Identifier: GPL-2.0
/*
 * Register writes that land late. The write that acknowledges an interrupt can then
 * clear the next one, and nothing tells of a message: no message may be lost for that,
 * and what our driver's timer finds instead is counted, and found soon.
 */
#include <sys/mman.h>

#define NEEDS_MODEL true
#include "issei_fixture.h"

#define STATISTICS "/sys/kernel/debug/issei0/statistics"

#define SET "{\"cmd\":\"set\",\"notify\":\"%s\",\"write_delay_us\":%d}"
#define DELAY_US 100
#define ROUND_TRIPS 10000
#define PROGRAMS_MAX 8

#define LOST_MS 10000		/* the timer's longest period is 1 s */
#define PERIOD_US 1000		/* the timer's, after traffic */
#define SLACK_US 4000		/* of a virtual machine */

struct statistics {
	uint64_t received;
	uint64_t rescued;
	uint64_t rescued_after_us;
};

static uint64_t number(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : ~0ull;
}

static int statistics(struct statistics *to)
{
	char text[1024];
	ssize_t ret = file_read(STATISTICS, text, sizeof(text));

	if (ret < 0)
		return ret;
	*to = (struct statistics) {
		.received = number(text, "\nreceived "),
		.rescued = number(text, "\nrescued "),
		.rescued_after_us = number(text, "\nrescued_after_us "),
	};
	return 0;
}

/* The echo clients that the model has more of for this test. */
static void echo_client(issei_uuid uuid, int number)
{
	memcpy(uuid, BULK, sizeof(issei_uuid));
	uuid[9] = 1;
	uuid[15] = number;
}

/*
 * One program; the exit status is 0 if every answer was right and came. Counts answers that
 * took longer than the timer's period.
 */
static int echo(int number, int round_trips, uint32_t *slow)
{
	issei_uuid uuid;
	int fd, ret;

	echo_client(uuid, number);
	fd = issei_open_connected(0, O_RDWR | O_NONBLOCK, uuid);
	if (fd < 0)
		return 1;
	for (int i = 0; i < round_trips; i++) {
		uint8_t out[64], in[64];
		size_t len = 1 + i % sizeof(out);
		uint64_t start = now_us();

		issei_fill(out, len, i);
		ret = issei_write(fd, out, len);
		if (ret != (int)len)
			return 2;
		if (!(issei_poll(fd, POLLIN, LOST_MS) & POLLIN))
			return 3;
		if (issei_read(fd, in, sizeof(in)) != (int)len || memcmp(in, out, len))
			return 4;
		if (now_us() - start > PERIOD_US + SLACK_US)
			__atomic_fetch_add(slow, 1, __ATOMIC_RELAXED);
	}
	close(fd);
	return 0;
}

FIXTURE_VARIANT(issei)
{
	const char *notify;
	int programs;
};

FIXTURE_VARIANT_ADD(issei, response_1) { .notify = "response", .programs = 1 };
FIXTURE_VARIANT_ADD(issei, response_8) { .notify = "response", .programs = PROGRAMS_MAX };
FIXTURE_VARIANT_ADD(issei, consumed_1) { .notify = "consumed", .programs = 1 };
FIXTURE_VARIANT_ADD(issei, consumed_8) { .notify = "consumed", .programs = PROGRAMS_MAX };
FIXTURE_VARIANT_ADD(issei, doorbell_1) { .notify = "every-doorbell", .programs = 1 };
FIXTURE_VARIANT_ADD(issei, doorbell_8) { .notify = "every-doorbell", .programs = PROGRAMS_MAX };

static void run_programs(struct __test_metadata *_metadata, int programs, int round_trips,
			 uint32_t *slow)
{
	*slow = 0;
	for (int i = 0; i < programs; i++) {
		pid_t child = fork();

		ASSERT_LE(0, child);
		if (!child)
			_exit(echo(i + 1, round_trips / programs, slow));
	}
	for (int i = 0; i < programs; i++) {
		int status = -1;

		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
	}
	sleep_ms(300);	/* what comes after the last answer belongs to it */
}

TEST_F_TIMEOUT(issei, none_is_lost, 240)
{
	uint32_t *slow = mmap(NULL, sizeof(*slow), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* one at a time, and an interrupt for messages only: one without is rescued */
	bool alone = variant->programs == 1 && !strcmp(variant->notify, "response");
	int left = 3;	/* a busy host disturbs a measurement, but not three */
	uint32_t anyway = 0;	/* how many are slow where none is rescued */
	struct model_counters before, after;
	struct statistics was = {}, is = {};
	int round_trips = self->c_driver ? ROUND_TRIPS / 10 : ROUND_TRIPS;
	uint64_t interrupts, rescued = 0;
	issei_uuid last;

	ASSERT_NE(MAP_FAILED, slow);
	echo_client(last, variant->programs);
	if (issei_connect(self->fd, last, NULL) == -ENOTTY)
		SKIP(return, "the model needs --more-echo 8");
	ASSERT_EQ(0, issei_disconnect(self->fd));
	do {
		if (alone && !self->c_driver) {
			ASSERT_EQ(0, model_do(0, SET, "every-doorbell", DELAY_US));
			run_programs(_metadata, 1, round_trips, slow);
			anyway = *slow;
		}
		ASSERT_EQ(0, model_do(0, SET, variant->notify, DELAY_US));
		ASSERT_EQ(0, model_counters(0, &before));
		if (!self->c_driver)
			ASSERT_EQ(0, statistics(&was));
		run_programs(_metadata, variant->programs, round_trips, slow);
		ASSERT_EQ(0, model_counters(0, &after));
		if (!self->c_driver)
			ASSERT_EQ(0, statistics(&is));

		EXPECT_EQ(before.f2h + round_trips, after.f2h);
		EXPECT_EQ(before.resets_host, after.resets_host);
		if (self->c_driver)
			break;
		interrupts = after.interrupts - before.interrupts;
		rescued = is.rescued - was.rescued;
		printf("# %s, %d programs: %d messages, %llu interrupts, %llu rescued, %u slow, %u anyway",
		       variant->notify, variant->programs, round_trips,
		       (unsigned long long)interrupts, (unsigned long long)rescued, *slow, anyway);
		printf(" (the longest rescue so far after %llu us)\n",
		       (unsigned long long)is.rescued_after_us);
		fflush(stdout);

		EXPECT_EQ(was.received + round_trips, is.received);
		if (alone) {
			EXPECT_LT(interrupts, round_trips);
			EXPECT_LE(round_trips - interrupts, rescued);
		}
	} while (alone && *slow > rescued / 2 + anyway && --left);
	/* most rescues come within the timer's period */
	EXPECT_TRUE(self->c_driver || !alone || *slow <= rescued / 2 + anyway);
	munmap(slow, sizeof(*slow));
}

TEST_HARNESS_MAIN
