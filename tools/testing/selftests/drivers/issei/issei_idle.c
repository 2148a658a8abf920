// SPDX-License-Identifier: GPL-2.0
/* A device that nobody talks to costs nothing. */
#include <sys/prctl.h>

#define NEEDS_MODEL true
#include "issei_fixture.h"

#define TRACING "/sys/kernel/tracing/"
#define IDLE_MS 10000

/* What would show a wake-up: timers, work items and interrupts, by the name of what ran. */
static int trace(bool on)
{
	static const char *const events[] = {
		"timer/timer_expire_entry", "timer/hrtimer_expire_entry",
		"workqueue/workqueue_execute_start", "irq/irq_handler_entry",
	};

	if (access(TRACING "trace", F_OK) && run("mount -t tracefs none " TRACING))
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		char path[128];
		int ret;

		snprintf(path, sizeof(path), TRACING "events/%s/enable", events[i]);
		ret = file_write(path, on ? "1" : "0");
		if (ret)
			return ret;
	}
	return file_write(TRACING "tracing_on", on ? "1" : "0");
}

TEST_F_TIMEOUT(issei, ten_seconds, 60)
{
	struct model_counters before, after;
	uint64_t irqs[2], switches[2];

	prctl(PR_SET_NAME, "idle");	/* not a name to be found in the trace */
	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, issei_echo(self->fd, 100, 1));
	sleep_ms(1000);		/* the last look after the last traffic is allowed */
	ASSERT_EQ(0, trace(true)) TH_LOG("no tracing");
	ASSERT_EQ(0, file_write(TRACING "trace", ""));
	ASSERT_EQ(0, model_counters(0, &before));
	ASSERT_EQ(0, issei_irq_count(0, &irqs[0]));
	switches[0] = driver_thread_switches();

	sleep_ms(IDLE_MS);

	switches[1] = driver_thread_switches();
	ASSERT_EQ(0, issei_irq_count(0, &irqs[1]));
	ASSERT_EQ(0, model_counters(0, &after));
	ASSERT_EQ(0, trace(false));
	EXPECT_EQ(before.mmio_read, after.mmio_read);
	EXPECT_EQ(before.mmio_write, after.mmio_write);
	EXPECT_EQ(before.interrupts, after.interrupts);
	EXPECT_EQ(irqs[0], irqs[1]);
	EXPECT_EQ(switches[0], switches[1]);
	EXPECT_EQ(1, run("grep 'issei' " TRACING "trace"));
	EXPECT_EQ(0, issei_echo(self->fd, 100, 2));
}

/* Interrupts are counted at all: what the test above relies on. */
TEST_F(issei, counters_count)
{
	struct model_counters before, after;
	uint64_t irqs[2];

	ASSERT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	ASSERT_EQ(0, model_counters(0, &before));
	ASSERT_EQ(0, issei_irq_count(0, &irqs[0]));
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(0, issei_echo(self->fd, 100, i));
	ASSERT_EQ(0, issei_irq_count(0, &irqs[1]));
	ASSERT_EQ(0, model_counters(0, &after));
	/* not one each: a driver may find a message before its interrupt comes */
	EXPECT_LE(irqs[0] + 5, irqs[1]);
	EXPECT_LE(before.interrupts + 5, after.interrupts);
	EXPECT_LE(before.h2f + 10, after.h2f);
	EXPECT_LE(before.f2h + 10, after.f2h);
	EXPECT_LE(before.mmio_write + 20, after.mmio_write);
}

TEST_HARNESS_MAIN
