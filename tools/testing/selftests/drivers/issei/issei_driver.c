// SPDX-License-Identifier: GPL-2.0
/* The modules behind /dev/issei<N>: ours, and the two of Intel's C driver. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "issei_util.h"

/* The module of @driver is in the kernel, or was found and loaded. */
int driver_load(const char *driver)
{
	return run("modprobe %s 2>&1", driver) ? -ENOENT : 0;
}

/* The same, and nothing happens by itself after it: for comparisons. */
int driver_load_quiet(const char *driver)
{
	bool ours = !strcmp(driver, RUST_DRIVER);

	return run("modprobe %s %s 2>&1", driver, ours ? "spdm_policy=off" : "") ? -ENOENT : 0;
}

int driver_unload(const char *driver)
{
	int ret = run("rmmod %s 2>&1", driver);

	/* Intel's driver is two modules */
	if (!ret && !strcmp(driver, C_DRIVER))
		ret = run("rmmod issei 2>&1");
	return ret ? -EBUSY : 0;
}

bool driver_is_loaded(const char *driver)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", driver);
	return !access(path, F_OK);
}

bool driver_is_available(const char *driver)
{
	return !run("modprobe -D %s >/dev/null 2>&1", driver);
}

/* Voluntary context switches of the kernel threads that belong to the driver. */
uint64_t driver_thread_switches(void)
{
	char path[64], text[4096];
	uint64_t count = 0;
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	char *at;

	while (dir && (entry = readdir(dir))) {
		if (atoi(entry->d_name) <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/status", entry->d_name);
		if (file_read(path, text, sizeof(text)) <= 0 || !strstr(text, "Kthread:\t1"))
			continue;
		at = strstr(text, "issei");
		if (!at || at > strchr(text, '\n'))
			continue;
		at = strstr(text, "\nvoluntary_ctxt_switches:");
		if (at)
			count += strtoull(strchr(at + 1, ':') + 1, NULL, 10);
	}
	if (dir)
		closedir(dir);
	return count;
}
