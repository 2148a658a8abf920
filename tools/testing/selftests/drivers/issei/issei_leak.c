// SPDX-License-Identifier: GPL-2.0
/* Nothing is left behind: kernel memory by cache, and files, before and after a storm. */
#include <limits.h>

#define NEEDS_MODEL true
#include "issei_fixture.h"

#define ROUNDS 3000
#define BINDS 300
#define CACHES 512
#define SETTLE_MS 10000

struct slab {
	char name[48];
	uint64_t active;
};

struct usage {
	struct slab slab[CACHES];
	int count;
	uint64_t files;
	uint64_t mappings;
};

/* Mappings of registers and large buffers; unpurged ones are free, but not reused yet. */
static uint64_t count_mappings(void)
{
	FILE *file = fopen("/proc/vmallocinfo", "re");
	uint64_t count = 0;
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		count += !strstr(line, "unpurged");
	if (file)
		fclose(file);
	return count;
}

static int usage_read(struct usage *usage)
{
	char line[512], text[64];
	FILE *file;

	file_write("/proc/sys/vm/drop_caches", "2");
	sleep_ms(200);
	if (file_read("/proc/sys/fs/file-nr", text, sizeof(text)) <= 0)
		return -ENOENT;
	usage->mappings = count_mappings();
	usage->files = strtoull(text, NULL, 10);
	usage->count = 0;
	/* KASAN keeps what was freed for a while; who runs it has kmemleak for this */
	if (!access("/sys/kernel/debug/kmemleak", F_OK))
		return 0;
	file = fopen("/proc/slabinfo", "re");
	if (!file)
		return -errno;
	while (usage->count < CACHES && fgets(line, sizeof(line), file)) {
		struct slab *slab = &usage->slab[usage->count];

		/* mappings are counted above: theirs is freed late */
		if (sscanf(line, "%47s %lu", slab->name, &slab->active) == 2 &&
		    strcmp(slab->name, "vmap_area"))
			usage->count++;
	}
	fclose(file);
	return 0;
}

/*
 * An object lost in each round makes its cache grow by as many; what lies unused in the
 * lists of the processors counts as used, so less than that shows nothing.
 */
static const char *what_grew(const struct usage *before, const struct usage *after, int rounds)
{
	int64_t limit = rounds * 3 / 4;

	if (before->count != after->count)
		return "the number of caches";
	if (after->files > before->files + 64)
		return "files";
	if ((int64_t)(after->mappings - before->mappings) >= limit)
		return "mappings";
	for (int i = 0; i < before->count; i++)
		if ((int64_t)(after->slab[i].active - before->slab[i].active) >= limit)
			return before->slab[i].name;
	return "nothing";
}

/* What is freed after a grace period gets some time. */
static void expect_same(struct __test_metadata *_metadata, const struct usage *before, int rounds)
{
	static struct usage after;
	uint64_t end = now_ms() + SETTLE_MS;

	do {
		ASSERT_EQ(0, usage_read(&after));
	} while (strcmp(what_grew(before, &after, rounds), "nothing") && now_ms() < end);
	EXPECT_STREQ("nothing", what_grew(before, &after, rounds));
}

/* Ends in every way in which a file can end. */
static void use_and_close(int round)
{
	int fd = issei_open_connected(0, O_RDWR, round & 1 ? ECHO_A : ECHO_B);
	char in[64];

	if (fd < 0)
		return;
	switch (round % 6) {
	case 0:		/* a message unread */
		issei_write(fd, "ping", 4);
		issei_poll(fd, POLLIN, PROMPT_MS);
		break;
	case 1:		/* all done */
		issei_echo(fd, 1000, round);
		issei_disconnect(fd);
		break;
	case 2:		/* errors on the way */
		issei_connect(fd, SPDM, NULL);
		issei_write(fd, NULL, 100);
		issei_write(fd, in, ECHO_MTU + 1);
		issei_ioctl(fd, IOCTL_ISSEI_CONNECT_CLIENT, NULL);
		break;
	case 3:		/* a buffer that is too small */
		issei_write(fd, "ping", 4);
		issei_poll(fd, POLLIN, PROMPT_MS);
		issei_read(fd, in, 1);
		break;
	case 4:		/* one message too many */
		issei_write(fd, "one", 3);
		issei_poll(fd, POLLIN, PROMPT_MS);
		issei_write(fd, "two", 3);
		issei_read(fd, in, sizeof(in));
		break;
	default:	/* nothing */
		break;
	}
	close(fd);
}

TEST_F_TIMEOUT(issei, storm, 120)
{
	static struct usage before;

	if (access("/proc/slabinfo", R_OK))
		SKIP(return, "no /proc/slabinfo");
	for (int i = 0; i < 600; i++)
		use_and_close(i);
	ASSERT_EQ(0, usage_read(&before));
	for (int i = 0; i < ROUNDS; i++)
		use_and_close(i);
	expect_same(_metadata, &before, ROUNDS / 6);
	ASSERT_EQ(0, issei_wait_connect(self->fd, ECHO_A, LINK_UP_MS));
}

TEST_F_TIMEOUT(issei, bind_and_reset, 120)
{
	static struct usage before;
	char driver[64], device[64], unbind[PATH_MAX], bind[PATH_MAX];

	if (access("/proc/slabinfo", R_OK))
		SKIP(return, "no /proc/slabinfo");
	ASSERT_EQ(0, issei_driver(0, driver, sizeof(driver)));
	ASSERT_EQ(0, issei_pci_name(0, device, sizeof(device)));
	snprintf(unbind, sizeof(unbind), "/sys/bus/pci/drivers/%s/unbind", driver);
	snprintf(bind, sizeof(bind), "/sys/bus/pci/drivers/%s/bind", driver);
	for (int i = -20; i < BINDS; i++) {
		int fd = issei_open(0, O_RDWR);

		ASSERT_LE(0, fd);
		if (!i)
			ASSERT_EQ(0, usage_read(&before));
		ASSERT_EQ(0, issei_wait_connect(fd, ECHO_A, LINK_UP_MS));
		issei_write(fd, "ping", 4);
		ASSERT_EQ(0, file_write(unbind, device));
		close(fd);
		ASSERT_EQ(0, file_write(bind, device));
		ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
	}
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	expect_same(_metadata, &before, BINDS);
}

TEST_HARNESS_MAIN
