// SPDX-License-Identifier: GPL-2.0
/* System sleep, and what a test needs after it. */
#include <errno.h>
#include <glob.h>
#include <unistd.h>

#include "issei_util.h"

#define PM_TEST "/sys/power/pm_test"
#define PM_DELAY "/sys/module/suspend/parameters/pm_test_delay"
#define CONSOLE "/sys/bus/virtio/drivers/virtio_console"

bool can_sleep(void)
{
	return !access(PM_TEST, W_OK) && !access(PM_DELAY, W_OK);
}

/* Ports of the virtio console that the host has named, which is the last thing it says. */
static int count_ports(void)
{
	glob_t names;
	int count = 0;

	if (glob("/sys/class/virtio-ports/*/name", 0, NULL, &names))
		return 0;
	for (size_t i = 0; i < names.gl_pathc; i++) {
		char name[64];

		count += file_read(names.gl_pathv[i], name, sizeof(name)) > 1;
	}
	globfree(&names);
	return count;
}

/*
 * After a sleep the virtio console believes that nobody listens behind its ports, until
 * it is bound again. Its work of adding them must be over before another sleep, which
 * it would stand in for ever: it waits for a device that is asleep.
 */
int sleep_and_reopen_ports(const char *state)
{
	int ports = count_ports();
	int ret = file_write("/sys/power/state", state);

	if (!ret)
		ret = run("cd %s && for d in virtio*; do echo $d >unbind && echo $d >bind; done",
			  CONSOLE);
	for (int ms = 0; !ret && count_ports() < ports; ms++) {
		if (ms > PROMPT_MS)
			return -ETIMEDOUT;
		usleep(1000);
	}
	return ret ?: wait_for_file("/dev/virtio-ports/heci0", true, PROMPT_MS);
}

/* One cycle as far as @level, without real sleep. */
int sleep_test(const char *level)
{
	int ret = file_write(PM_DELAY, "0");

	if (!ret)
		ret = file_write(PM_TEST, level);
	if (!ret)
		ret = sleep_and_reopen_ports("freeze");
	file_write(PM_TEST, "none");
	return ret;
}
