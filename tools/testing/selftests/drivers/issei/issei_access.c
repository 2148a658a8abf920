// SPDX-License-Identifier: GPL-2.0
/*
 * Who may do what, and what it may cost: the modes of all files, what a program without
 * privilege gets at, what an open file is good for that was given away, memory that a
 * program has taken, lines in the log. Needs many firmware clients for that of memory
 * (`vm run --model '--more-echo 250'`).
 */
#include <ctype.h>
#include <fnmatch.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NEEDS_MODEL true
#include "issei_fixture.h"

#define DEBUGFS "/sys/kernel/debug/issei0"
#define NOBODY_UID 65534

/* Paths below the directory of the device in sysfs. The first row that fits counts. */
static const struct row {
	const char *pattern;
	mode_t mode;
} sysfs_rows[] = {
	{ "dev", 0444 }, { "uevent", 0644 },
	{ "fw_ver", 0444 }, { "kind", 0444 }, { "fw_status", 0444 }, { "link_state", 0444 },
	{ "reset", 0200 }, { "fw_clients/*/*", 0444 },
	{ "spdm/certificates/*", 0400 }, { "spdm/signatures/*", 0400 },
	{ "spdm/accepted", 0644 }, { "spdm/policy", 0644 }, { "spdm/memory_limit", 0644 },
	{ "spdm/authenticate", 0200 }, { "spdm/*", 0444 },
};

static const struct row debugfs_rows[] = {
	{ "reset", 0200 }, { "*", 0400 },
};

/* What is being walked through. */
static struct {
	char path[PATH_MAX];
	const struct row *rows;
	size_t count;
} root;

static const char *below_root(const char *path)
{
	size_t len = strlen(root.path);

	return path[len] == '/' ? path + len + 1 : "";
}

static const struct row *find_row(const char *path)
{
	for (size_t i = 0; i < root.count; i++)
		if (!fnmatch(root.rows[i].pattern, below_root(path), FNM_PATHNAME))
			return &root.rows[i];
	return NULL;
}

/* The core's, in the directory of each device. */
static bool is_cores(const char *path)
{
	return !strncmp(below_root(path), "power/", strlen("power/"));
}

static char complaint[PATH_MAX + 64];
static int seen;

static int complain(const char *path, const char *what)
{
	snprintf(complaint, sizeof(complaint), "%s: %s", path, what);
	return 1;
}

typedef int visit_fn(const char *, const struct stat *, int, struct FTW *);

static int walk_sysfs(visit_fn *visit)
{
	complaint[0] = '\0';
	seen = 0;
	root.rows = sysfs_rows;
	root.count = ARRAY_SIZE(sysfs_rows);
	/* the class has a link, which is not what is walked through */
	if (!realpath("/sys/class/issei/issei0", root.path))
		return complain("/sys/class/issei/issei0", "not there");
	return nftw(root.path, visit, 16, FTW_PHYS);
}

static int walk_debugfs(visit_fn *visit)
{
	complaint[0] = '\0';
	seen = 0;
	root.rows = debugfs_rows;
	root.count = ARRAY_SIZE(debugfs_rows);
	snprintf(root.path, sizeof(root.path), "%s", DEBUGFS);
	return nftw(root.path, visit, 16, FTW_PHYS);
}

static int check_mode(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const struct row *row = find_row(path);

	(void)ftw;
	if (type == FTW_SL)
		return 0;
	if (st->st_uid || st->st_gid)
		return complain(path, "not root's");
	if (st->st_mode & 022)
		return complain(path, "others may write");
	if (type != FTW_F || is_cores(path))
		return 0;
	seen++;
	if (!row)
		return complain(path, "not in the table");
	return (st->st_mode & 07777) == row->mode ? 0 : complain(path, "another mode");
}

TEST_F(issei, modes)
{
	struct stat st;

	if (self->c_driver)
		SKIP(return, "the table is that of issei_rust");
	EXPECT_EQ(0, walk_sysfs(check_mode)) TH_LOG("%s", complaint);
	EXPECT_LT(250 * 5, seen);
	EXPECT_EQ(0, walk_debugfs(check_mode)) TH_LOG("%s", complaint);
	EXPECT_EQ(7, seen);
	ASSERT_EQ(0, stat("/sys/kernel/debug", &st));
	EXPECT_EQ(0700, st.st_mode & 07777);
	ASSERT_EQ(0, stat("/dev/issei0", &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, st.st_gid);
	ASSERT_EQ(0, stat("/sys/module/issei_rust/parameters/spdm_policy", &st));
	EXPECT_EQ(0444, st.st_mode & 07777);
}

/* Sixteen hexadecimal digits, not all of them decimal: an address, or one in disguise. */
static bool has_address(const char *text)
{
	while (*text) {
		size_t digits = strspn(text, "0123456789abcdefABCDEF");

		if (digits == 16 && strspn(text, "0123456789") < 16)
			return true;
		text += digits ?: 1;
	}
	return false;
}

static int check_text(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	static char text[1 << 16];
	ssize_t len;

	(void)ftw;
	/* what the engine has signed is its own; certificates are public */
	if (type != FTW_F || !(st->st_mode & 0400) || strstr(path, "/signatures/") ||
	    strstr(path, "/certificates/") || strstr(path, ".pcap"))
		return 0;
	len = file_read(path, text, sizeof(text));
	if (len < 0)
		return 0;
	seen++;
	if (memchr(text, 0, len))
		return complain(path, "not a text");
	return has_address(text) ? complain(path, "an address of the kernel") : 0;
}

TEST_F(issei, no_addresses)
{
	char line[1024];
	int lines = 0;
	int kmsg;

	if (self->c_driver)
		SKIP(return, "counts the files of issei_rust, in sysfs and debugfs");
	ASSERT_TRUE(has_address("at 0xffff888012345678"));
	ASSERT_TRUE(has_address("00000000deadbeef"));
	ASSERT_FALSE(has_address("62756c6b-6563-686f-8000-000000000001"));
	EXPECT_EQ(0, walk_sysfs(check_text)) TH_LOG("%s", complaint);
	EXPECT_LT(250 * 5, seen);
	EXPECT_EQ(0, walk_debugfs(check_text)) TH_LOG("%s", complaint);
	EXPECT_EQ(5, seen);

	kmsg = kmsg_open();
	ASSERT_LE(0, kmsg);
	lseek(kmsg, 0, SEEK_SET);
	while (kmsg_next(kmsg, line, sizeof(line)) > 0) {
		if (!strstr(line, "issei"))
			continue;
		lines++;
		EXPECT_FALSE(has_address(line)) TH_LOG("%s", line);
	}
	EXPECT_LT(0, lines);
	close(kmsg);
}

static int status_of(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Files let in those whom their modes let in. */
static int check_refused(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	bool readable = st->st_mode & 0004;
	int fd;

	(void)ftw;
	if (type != FTW_F)
		return 0;
	seen++;
	fd = open(path, O_WRONLY);
	if (fd >= 0 || errno != EACCES)
		return complain(path, "open to write");
	fd = open(path, O_RDONLY);
	if ((fd >= 0) != readable || (fd < 0 && errno != EACCES))
		return complain(path, readable ? "cannot be read" : "open to read");
	close(fd);
	return 0;
}

static int refused(void)
{
	if (open("/dev/issei0", O_RDWR) >= 0 || errno != EACCES)
		return 10;
	if (open("/dev/issei0", O_RDONLY) >= 0 || errno != EACCES)
		return 11;
	if (!access(DEBUGFS "/state", F_OK) || errno != EACCES)
		return 12;
	if (walk_sysfs(check_refused)) {
		fprintf(stderr, "# %s\n", complaint);
		return 13;
	}
	return seen > 250 * 5 ? 0 : 14;
}

static int drop_privilege(void)
{
	/* and keep the right to write below /proc/self */
	return setgid(NOBODY_UID) || setuid(NOBODY_UID) || prctl(PR_SET_DUMPABLE, 1) ? -errno : 0;
}

TEST_F(issei, unprivileged)
{
	pid_t pid;

	if (self->c_driver)
		SKIP(return, "modes are those of issei_rust");
	pid = fork();
	if (!pid)
		_exit(drop_privilege() ? 1 : refused());
	EXPECT_EQ(0, status_of(pid));
}

/* Root of a user namespace of one's own has no more than one had. */
TEST_F(issei, root_of_a_namespace)
{
	pid_t pid;

	if (self->c_driver)
		SKIP(return, "modes are those of issei_rust");
	if (access("/proc/self/ns/user", F_OK))
		SKIP(return, "the kernel has no user namespaces");
	pid = fork();
	if (!pid) {
		if (drop_privilege() || unshare(CLONE_NEWUSER) ||
		    file_write("/proc/self/setgroups", "deny") ||
		    file_write("/proc/self/uid_map", "0 65534 1") ||
		    file_write("/proc/self/gid_map", "0 65534 1") || getuid())
			_exit(1);
		_exit(refused());
	}
	EXPECT_EQ(0, status_of(pid));
}

/* Who gets an open file from root cannot change with it what is judged by. */
TEST_F(issei, given_away)
{
	static const char *const files[][2] = {
		{ "spdm/policy", "off" }, { "spdm/accepted", "none" },
		{ "spdm/memory_limit", "65536" },
	};

	if (self->c_driver)
		SKIP(return, "the C driver has no SPDM");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const char *text = files[i][1];
		char path[PATH_MAX];
		pid_t pid;
		int fd;

		issei_sysfs_path(0, path, sizeof(path), files[i][0]);
		fd = open(path, O_WRONLY);
		ASSERT_LE(0, fd);
		pid = fork();
		if (!pid) {
			if (drop_privilege())
				_exit(1);
			_exit(write(fd, text, strlen(text)) < 0 && errno == EPERM ? 0 : 2);
		}
		EXPECT_EQ(0, status_of(pid)) TH_LOG("%s", files[i][0]);
		close(fd);
	}
}

/* Errors of programs leave no line in the log, and a link that comes and goes leaves few. */
TEST_F_TIMEOUT(issei, log, 90)
{
	int kmsg = kmsg_open();
	uint64_t start;
	char in[16];
	int lines;

	if (self->c_driver)
		SKIP(return, "the C driver writes a line for each error of a program");
	ASSERT_LE(0, kmsg);
	for (int i = 0; i < 1000; i++) {
		int fd = issei_open_connected(0, O_RDWR, ECHO_A);

		ASSERT_LE(0, fd);
		issei_connect(fd, ECHO_A, NULL);
		issei_ioctl(fd, i, NULL);
		issei_write(fd, NULL, 16);
		issei_write(fd, in, ECHO_MTU + 1);
		close(fd);
		issei_open_connected(0, O_RDWR, NOBODY);
		issei_disconnect(self->fd);
		issei_read(self->fd, in, sizeof(in));
	}
	EXPECT_EQ(0, kmsg_count(kmsg, "issei", 7));

	start = now_ms();
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, model_do(0, "{'cmd':'reset_firmware','down_ms':1}"));
		ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	}
	ASSERT_EQ(0, issei_wait_agent(0, LINK_UP_MS));
	lines = kmsg_count(kmsg, "issei", 7);
	TH_LOG("%d lines for 100 resets in %lu ms", lines, now_ms() - start);
	EXPECT_LT(0, lines);
	/* 20 and one that says how many were kept back, of the link and of the agent */
	EXPECT_GE(42 * (2 + (now_ms() - start) / 10000), lines);
	close(kmsg);
}

#define CGROUP "/tmp/issei-cgroup"
#define BUFFER 65536
/* Files, and what the kernel rounds up, for each connection. */
#define OVERHEAD 16384
#define WRITERS 64
/* Where it takes a while until all write, some messages are on their way. */
#define WRITERS_LEAST (WRITERS / 2 * BUFFER)

/* Bytes of the kernel's memory that are charged to the group. */
static int64_t charged(void)
{
	static char text[8192];
	const char *at;

	if (file_read(CGROUP "/test/memory.stat", text, sizeof(text)) <= 0)
		return -1;
	at = strstr(text, "\nkernel ");
	return at ? strtoll(at + strlen("\nkernel "), NULL, 10) : -1;
}

/* Adds connections to clients of the largest MTU, and returns how many there are. */
static int connect_all(int *fds, int max)
{
	issei_uuid uuid;
	int count = 0;

	memcpy(uuid, BULK, sizeof(uuid));
	uuid[9] = 1;	/* those of --more-echo */
	for (int i = 1; count < max; i++) {
		int fd;

		uuid[14] = i >> 8;
		uuid[15] = i;
		fd = issei_open_connected(0, O_RDWR, uuid);
		if (fd < 0)
			break;
		fds[count++] = fd;
	}
	return count;
}

struct report {
	int connections;
	int64_t connected;
	int64_t unread;
	int64_t queued;
	int64_t again;
	int64_t closed;
	int64_t writers;
};

/* The program, in a group of its own. */
static int use_memory(struct report *report)
{
	static int fds[ISSEI_MAX_FILES];
	static uint8_t message[BULK_MTU];
	static struct issei_call calls[WRITERS];
	int64_t start;
	int count;

	if (file_write(CGROUP "/test/cgroup.procs", "0"))
		return 1;
	start = charged();
	count = connect_all(fds, ISSEI_MAX_FILES - 1);
	report->connections = count;
	report->connected = charged() - start;
	for (int i = 0; i < count; i++)
		if (issei_write(fds[i], message, sizeof(message)) != sizeof(message) ||
		    issei_poll(fds[i], POLLIN, PROMPT_MS) != POLLIN)
			return 2;
	report->unread = charged() - start;

	/* all write once more: one message goes out, the others wait */
	if (model_hold(0, true))
		return 3;
	for (int i = 0; i < count; i++) {
		fcntl(fds[i], F_SETFL, O_RDWR | O_NONBLOCK);
		if (issei_write(fds[i], message, sizeof(message)) != sizeof(message))
			return 4;
	}
	report->queued = charged() - start;
	for (int i = 8; i < count; i++)
		if (issei_write(fds[i], message, sizeof(message)) != -EAGAIN)
			return 5;
	report->again = charged() - start;
	for (int i = 0; i < count; i++)
		close(fds[i]);
	report->closed = charged() - start;

	/* threads that write on one file have a buffer each; two answers would end its connection */
	if (connect_all(fds, 1) != 1 ||
	    model_do(0, "{\"cmd\":\"fault\",\"name\":\"message-swallowed\",\"count\":0}"))
		return 6;
	for (int i = 0; i < WRITERS; i++) {
		calls[i] = (struct issei_call) {
			.what = CALL_WRITE, .fd = fds[0], .len = BULK_MTU,
		};
		issei_call_start(&calls[i]);
	}
	/* a thread may sleep for another reason at first */
	for (uint64_t end = now_ms() + PROMPT_MS; now_ms() < end; sleep_ms(10)) {
		report->writers = charged() - start;
		if (report->writers >= report->closed + WRITERS_LEAST)
			break;
	}
	return 0;
}

static void end_cgroup(void)
{
	uint64_t end = now_ms() + PROMPT_MS;

	/* the threads of the child end a little after it */
	while (rmdir(CGROUP "/test") && errno == EBUSY && now_ms() < end)
		sleep_ms(10);
	umount(CGROUP);
	rmdir(CGROUP);
}

/* What one program has the driver take is bounded, and charged to the program. */
TEST_F_TIMEOUT(issei, memory, 60)
{
	struct report report = {};
	int out[2], status;
	pid_t pid;

	if (self->c_driver)
		SKIP(return, "about issei_rust");
	mkdir(CGROUP, 0700);
	if (mount("none", CGROUP, "cgroup2", 0, NULL) ||
	    file_write(CGROUP "/cgroup.subtree_control", "+memory") ||
	    mkdir(CGROUP "/test", 0700)) {
		end_cgroup();
		SKIP(return, "no memory controller");
	}
	ASSERT_EQ(0, pipe(out));
	pid = fork();
	if (!pid) {
		status = use_memory(&report);
		if (write(out[1], &report, sizeof(report)) != sizeof(report))
			status = 100;
		_exit(status);
	}
	EXPECT_EQ(0, status_of(pid));
	ASSERT_EQ(sizeof(report), read(out[0], &report, sizeof(report)));
	EXPECT_EQ(0, model_hold(0, false));
	end_cgroup();
	TH_LOG("%d connections: %ld KiB connected, %ld with a message unread, %ld with one more to go out, %ld after more writes, %ld closed; %d writers: %ld",
	       report.connections, report.connected >> 10, report.unread >> 10,
	       report.queued >> 10, report.again >> 10, report.closed >> 10, WRITERS,
	       report.writers >> 10);

	EXPECT_LT(200, report.connections);
	EXPECT_LE((int64_t)report.connections * BUFFER, report.connected);
	EXPECT_GE((int64_t)report.connections * (BUFFER + OVERHEAD), report.connected);
	EXPECT_GE((int64_t)report.connections * (BUFFER + OVERHEAD), report.unread);
	EXPECT_GE((int64_t)report.connections * (2 * BUFFER + OVERHEAD), report.queued);
	EXPECT_GE(report.queued + 16 * BUFFER, report.again);
	EXPECT_GE(ISSEI_MAX_FILES * OVERHEAD, report.closed);
	EXPECT_LE(report.closed + WRITERS_LEAST, report.writers);
	close(out[0]);
	close(out[1]);
}

TEST_HARNESS_MAIN
