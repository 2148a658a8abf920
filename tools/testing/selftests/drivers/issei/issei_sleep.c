// SPDX-License-Identifier: GPL-2.0
/* System sleep, and what a test needs after it. */
#include <unistd.h>

#include "issei_util.h"

#define PM_TEST "/sys/power/pm_test"
#define PM_DELAY "/sys/module/suspend/parameters/pm_test_delay"
#define CONSOLE "/sys/bus/virtio/drivers/virtio_console"

bool can_sleep(void)
{
	return !access(PM_TEST, W_OK) && !access(PM_DELAY, W_OK);
}

/*
 * After a sleep the virtio console believes that nobody listens behind its ports, until
 * it is bound again.
 */
int sleep_and_reopen_ports(const char *state)
{
	int ret = file_write("/sys/power/state", state);

	if (!ret)
		ret = run("cd %s && for d in virtio*; do echo $d >unbind && echo $d >bind; done",
			  CONSOLE);
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
