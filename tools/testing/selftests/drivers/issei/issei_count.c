// SPDX-License-Identifier: GPL-2.0
/*
 * What an echo round trip costs, of the device and of the caller, in each mode in which
 * the firmware may notify: by number, which is the same on a slow machine. Loads and
 * unloads the modules of both drivers where modprobe finds them.
 */
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "issei_util.h"

#define ROUNDS 1000
#define WARM_UP 100
#define MODES 3

static const char *const modes[MODES] = { "response", "consumed", "every-doorbell" };

struct cost {
	double reads;
	double writes;
	double interrupts;
	double switches;	/* of the caller */
	double threads;		/* of the driver's own threads */
	uint64_t median_us;
	uint64_t min_us;
};

/*
 * What our driver may cost: nearly the floor of the protocol where the firmware
 * interrupts for messages only, else one more interrupt, with a read and a write.
 */
static const struct cost limits[MODES] = {
	{ .reads = 0.05, .writes = 2.1, .interrupts = 1.05, .switches = 1.05 },
	{ .reads = 1, .writes = 3, .interrupts = 2, .switches = 1.05 },
	{ .reads = 1, .writes = 3, .interrupts = 2, .switches = 1.05 },
};

static bool is_within(const struct cost *cost, const struct cost *limit)
{
	return cost->reads <= limit->reads && cost->writes <= limit->writes &&
	       cost->interrupts <= limit->interrupts && cost->switches <= limit->switches &&
	       cost->threads <= limit->threads;
}

static double accesses(const struct cost *cost)
{
	return cost->reads + cost->writes;
}

static double total(const struct cost *cost)
{
	return accesses(cost) + cost->interrupts + cost->switches + cost->threads;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int measure(const char *mode, struct cost *cost)
{
	static uint64_t took[ROUNDS];
	struct model_counters before, after;
	struct rusage usage[2];
	uint64_t threads;
	int fd, ret;

	ret = model_do(0, "{\"cmd\":\"set\",\"notify\":\"%s\"}", mode);
	if (ret)
		return ret;
	fd = issei_open_connected(0, O_RDWR, ECHO_A);
	if (fd < 0)
		return fd;
	for (int i = 0; !ret && i < WARM_UP; i++)
		ret = issei_echo(fd, 4, i);
	sleep_ms(300);
	if (!ret)
		ret = model_counters(0, &before);
	threads = driver_thread_switches();
	getrusage(RUSAGE_THREAD, &usage[0]);
	for (int i = 0; !ret && i < ROUNDS; i++) {
		uint64_t start = now_us();

		ret = issei_echo(fd, 4, i);
		took[i] = now_us() - start;
	}
	getrusage(RUSAGE_THREAD, &usage[1]);
	threads = driver_thread_switches() - threads;
	sleep_ms(300);		/* what comes after the last answer belongs to it */
	if (!ret)
		ret = model_counters(0, &after);
	close(fd);
	if (ret)
		return ret;
	qsort(took, ROUNDS, sizeof(took[0]), by_value);
	*cost = (struct cost) {
		.reads = (double)(after.mmio_read - before.mmio_read) / ROUNDS,
		.writes = (double)(after.mmio_write - before.mmio_write) / ROUNDS,
		.interrupts = (double)(after.interrupts - before.interrupts) / ROUNDS,
		.switches = (double)(usage[1].ru_nvcsw - usage[0].ru_nvcsw) / ROUNDS,
		.threads = (double)threads / ROUNDS,
		.median_us = took[ROUNDS / 2],
		.min_us = took[0],
	};
	return 0;
}

static void print_cost(const char *driver, const char *mode, const struct cost *cost)
{
	printf("# %-10s %-14s reads %5.2f writes %5.2f interrupts %5.2f switches %5.2f",
	       driver, mode, cost->reads, cost->writes, cost->interrupts, cost->switches);
	printf(" threads %5.2f total %5.2f median %llu us min %llu us\n", cost->threads,
	       total(cost), (unsigned long long)cost->median_us, (unsigned long long)cost->min_us);
	fflush(stdout);
}

static void measure_driver(struct __test_metadata *_metadata, const char *driver,
			   struct cost *cost)
{
	bool ours = !strcmp(driver, RUST_DRIVER);

	ASSERT_EQ(0, driver_load_quiet(driver));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, LINK_UP_MS));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	ASSERT_EQ(0, model_defaults(0));
	for (int i = 0; i < MODES; i++) {
		int left = 3;	/* a busy host disturbs a measurement, but not three */

		do {
			ASSERT_EQ(0, measure(modes[i], &cost[i]))
				TH_LOG("%s, %s", driver, modes[i]);
			print_cost(driver, modes[i], &cost[i]);
		} while (ours && !is_within(&cost[i], &limits[i]) && --left);
		EXPECT_TRUE(!ours || is_within(&cost[i], &limits[i])) {
			TH_LOG("%s: more than reads %.2f writes %.2f interrupts %.2f switches %.2f",
			       modes[i], limits[i].reads, limits[i].writes, limits[i].interrupts,
			       limits[i].switches);
		}
	}
	ASSERT_EQ(0, model_defaults(0));
	ASSERT_EQ(0, driver_unload(driver));
}

FIXTURE(count)
{
	const char *loaded;
	struct cost rust[MODES];
	struct cost c[MODES];
};

FIXTURE_SETUP(count)
{
	if (!model_present(0))
		SKIP(return, "no control port of the device model");
	if (!driver_is_available(RUST_DRIVER) && !driver_is_available(C_DRIVER))
		SKIP(return, "modprobe finds neither driver");
	if (driver_is_loaded(C_DRIVER))
		SKIP(return, "compares both drivers: unload " C_DRIVER " first");
	self->loaded = driver_is_loaded(RUST_DRIVER) ? RUST_DRIVER : NULL;
	if (self->loaded)
		ASSERT_EQ(0, driver_unload(self->loaded));
}

FIXTURE_TEARDOWN(count)
{
	if (self->loaded && !driver_is_loaded(self->loaded))
		driver_load(self->loaded);
}

TEST_F_TIMEOUT(count, round_trips, 180)
{
	if (driver_is_available(C_DRIVER))
		measure_driver(_metadata, C_DRIVER, self->c);
	if (driver_is_available(RUST_DRIVER))
		measure_driver(_metadata, RUST_DRIVER, self->rust);
	if (!driver_is_available(C_DRIVER) || !driver_is_available(RUST_DRIVER))
		SKIP(return, "one driver only: nothing to compare with");
	for (int i = 0; i < MODES; i++) {
		EXPECT_GT(accesses(&self->c[i]) / 2, accesses(&self->rust[i])) {
			TH_LOG("%s: MMIO accesses", modes[i]);
		}
		EXPECT_GT(total(&self->c[i]) / 2, total(&self->rust[i])) {
			TH_LOG("%s: total", modes[i]);
		}
	}
}

TEST_HARNESS_MAIN
