// SPDX-License-Identifier: GPL-2.0
/* sysfs, procfs and programs around /dev/issei<N>. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "issei_util.h"

/* The file's text with its NUL; its length, or -errno. */
ssize_t file_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t ret;

	if (fd < 0)
		return -errno;
	do {
		ret = read(fd, buf + len, size - 1 - len);
		if (ret > 0)
			len += ret;
	} while (ret > 0 && len < size - 1);
	ret = ret < 0 ? -errno : (ssize_t)len;
	close(fd);
	buf[len] = '\0';
	return ret;
}

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

int issei_sysfs_path(unsigned int dev, char *path, size_t size, const char *file)
{
	return snprintf(path, size, "/sys/class/issei/issei%u/%s", dev, file);
}

ssize_t issei_sysfs_read(unsigned int dev, const char *file, char *buf, size_t size)
{
	char path[PATH_MAX];

	issei_sysfs_path(dev, path, sizeof(path), file);
	return file_read(path, buf, size);
}

/* The last part of the link @file below the class device. */
static int link_name(unsigned int dev, const char *file, char *name, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t len;

	issei_sysfs_path(dev, path, sizeof(path), file);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	snprintf(name, size, "%s", basename(target));
	return 0;
}

int issei_driver(unsigned int dev, char *name, size_t size)
{
	return link_name(dev, "device/driver", name, size);
}

bool issei_is_c_driver(unsigned int dev)
{
	char name[64];

	return !issei_driver(dev, name, sizeof(name)) && !strcmp(name, C_DRIVER);
}

int issei_pci_name(unsigned int dev, char *name, size_t size)
{
	return link_name(dev, "device", name, size);
}

/* Interrupts of the device so far, of all processors. */
int issei_irq_count(unsigned int dev, uint64_t *count)
{
	char path[PATH_MAX], line[1024], *at;
	struct dirent *entry;
	int irq = -1;
	FILE *file;
	DIR *dir;

	issei_sysfs_path(dev, path, sizeof(path), "device/msi_irqs");
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			irq = atoi(entry->d_name);
	closedir(dir);

	file = fopen("/proc/interrupts", "re");
	if (!file)
		return -errno;
	*count = 0;
	while (irq >= 0 && fgets(line, sizeof(line), file)) {
		if (strtol(line, &at, 10) != irq || *at++ != ':')
			continue;
		for (long cpu = sysconf(_SC_NPROCESSORS_ONLN); cpu > 0; cpu--)
			*count += strtoull(at, &at, 10);
		fclose(file);
		return 0;
	}
	fclose(file);
	return -ENOENT;
}

int issei_count_devices(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/sys/class/issei");
	int count = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/*
 * After each link-up the driver talks to the SPDM client, if it is ours: until it is
 * through. What counts messages or waits for a fault to happen comes after that.
 */
int issei_wait_agent(unsigned int dev, int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;
	char state[512];

	do {
		if (issei_sysfs_read(dev, "spdm/state", state, sizeof(state)) < 0)
			return 0;
		if (strncmp(state, "waiting", 7) && strncmp(state, "running", 7))
			return 0;
		usleep(2000);
	} while (now_ms() < end);
	return -ETIMEDOUT;
}

/* 0 as soon as @path is there, or gone. */
int wait_for_file(const char *path, bool present, int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;

	do {
		if (!access(path, F_OK) == present)
			return 0;
		usleep(1000);
	} while (now_ms() < end);
	return -ETIMEDOUT;
}

/* A shell command's exit status, 128 + signal if one ended it. */
int run(const char *format, ...)
{
	char command[PATH_MAX];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	fflush(NULL);
	status = system(command);
	if (status < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
