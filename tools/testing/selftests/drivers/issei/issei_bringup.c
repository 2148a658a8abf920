// SPDX-License-Identifier: GPL-2.0
/*
 * How long it takes from bind to the first connect, and how many register accesses,
 * next to Intel's C driver: twenty times each, in turn, in one boot. Loads and unloads
 * the modules of both drivers.
 */
#include <dirent.h>
#include <limits.h>

#include "kselftest_harness.h"
#include "issei_util.h"

#define PCI "/sys/bus/pci/"
#define ROUNDS 20

struct bringup {
	uint64_t us[ROUNDS];
	uint64_t accesses[ROUNDS];
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(uint64_t *values)
{
	qsort(values, ROUNDS, sizeof(values[0]), by_value);
	return (values[ROUNDS / 2 - 1] + values[ROUNDS / 2]) / 2;
}

/* As issei_wait_up(), without its naps: one open and one ioctl after the other. */
static uint64_t wait_up_us(uint64_t start)
{
	int fd = -1;

	while (now_us() - start < LINK_UP_MS * 1000ull) {
		if (fd < 0)
			fd = issei_open(0, O_RDWR);
		if (fd >= 0 && issei_connect(fd, NOBODY, NULL) == -ENOTTY) {
			start = now_us() - start;
			close(fd);
			return start;
		}
		usleep(50);
	}
	return ~0ull;
}

static int bind_once(const char *driver, const char *device, uint64_t *us, uint64_t *accesses)
{
	char override[PATH_MAX], bind[PATH_MAX];
	struct model_counters before, after;
	uint64_t start;
	int ret;

	/* nobody takes the device while the module is loaded: only bind is measured */
	snprintf(override, sizeof(override), PCI "devices/%s/driver_override", device);
	snprintf(bind, sizeof(bind), PCI "drivers/%s/bind", driver);
	ret = file_write(override, "nobody");
	if (!ret)
		ret = driver_load_quiet(driver);
	if (!ret)
		ret = file_write(override, "\n");
	if (!ret)
		ret = model_counters(0, &before);
	if (ret)
		return ret;

	start = now_us();
	ret = file_write(bind, device);
	*us = ret ? ~0ull : wait_up_us(start);
	if (*us == ~0ull)
		return ret ?: -ETIMEDOUT;

	sleep_ms(50);		/* what follows the last step belongs to it */
	ret = model_counters(0, &after);
	*accesses = after.mmio_read + after.mmio_write - before.mmio_read - before.mmio_write;
	return ret ?: driver_unload(driver);
}

FIXTURE(bringup)
{
	const char *loaded;
	char device[64];
	struct bringup rust;
	struct bringup c;
};

FIXTURE_SETUP(bringup)
{
	if (!model_present(0))
		SKIP(return, "no control port of the device model");
	if (!driver_is_available(RUST_DRIVER) || !driver_is_available(C_DRIVER))
		SKIP(return, "modprobe does not find both drivers: nothing to compare with");
	if (driver_is_loaded(C_DRIVER))
		SKIP(return, "compares both drivers: unload " C_DRIVER " first");
	self->loaded = driver_is_loaded(RUST_DRIVER) ? RUST_DRIVER : NULL;
	if (!self->loaded) {
		ASSERT_EQ(0, driver_load(RUST_DRIVER));
		ASSERT_EQ(0, wait_for_file("/dev/issei0", true, LINK_UP_MS));
	}
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	ASSERT_EQ(0, model_defaults(0));
	ASSERT_EQ(0, issei_pci_name(0, self->device, sizeof(self->device)));
	ASSERT_EQ(0, driver_unload(self->loaded ?: RUST_DRIVER));
}

FIXTURE_TEARDOWN(bringup)
{
	if (self->loaded)
		driver_load(self->loaded);
}

TEST_F_TIMEOUT(bringup, twenty_in_turn, 240)
{
	uint64_t rust_us, c_us, rust_accesses, c_accesses;
	int left = 3;	/* a busy host disturbs a measurement, but not three */

	do {
		for (int i = 0; i < ROUNDS; i++) {
			ASSERT_EQ(0, bind_once(C_DRIVER, self->device, &self->c.us[i],
					       &self->c.accesses[i]));
			ASSERT_EQ(0, bind_once(RUST_DRIVER, self->device, &self->rust.us[i],
					       &self->rust.accesses[i]));
		}
		rust_us = median(self->rust.us);
		c_us = median(self->c.us);
		rust_accesses = median(self->rust.accesses);
		c_accesses = median(self->c.accesses);
		printf("# median of %d: %s %lu us, %lu accesses; %s %lu us, %lu accesses\n",
		       ROUNDS, RUST_DRIVER, rust_us, rust_accesses, C_DRIVER, c_us, c_accesses);
		fflush(stdout);
	} while (rust_us > c_us * 115 / 100 && --left);
	EXPECT_GE(c_us * 115 / 100, rust_us);
	EXPECT_GE(c_accesses, rust_accesses);
}

TEST_HARNESS_MAIN
