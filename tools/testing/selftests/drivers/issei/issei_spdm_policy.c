// SPDX-License-Identifier: GPL-2.0
/* policy and accepted: who may change them, and what they let through. */
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "issei_spdm_fixture.h"

#define PARAMETER "/sys/module/issei_rust/parameters/spdm_policy"

static int load_with(const char *policy)
{
	return run("modprobe issei_rust spdm_policy=%s 2>&1", policy) ? -EINVAL : 0;
}

/* Loads the module again, with this policy from the beginning. */
static void reload_with(struct __test_metadata *_metadata, const char *policy)
{
	ASSERT_EQ(0, driver_unload(RUST_DRIVER));
	ASSERT_EQ(0, load_with(policy));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
}

static void reload_default(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, driver_unload(RUST_DRIVER));
	ASSERT_EQ(0, driver_load(RUST_DRIVER));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
}

/* Connects to an ordinary client; 0 or the error. */
static int try_connect(void)
{
	int fd = issei_open_connected(0, O_RDWR, ECHO_A);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static int wait_dropped(int fd)
{
	for (int i = 0; i < PROMPT_MS; i++) {
		if (issei_poll(fd, POLLIN, 0) & POLLERR)
			return 0;
		sleep_ms(1);
	}
	return -ETIMEDOUT;
}

TEST_F(agent, words)
{
	static const char *const words[] = { "off", "enforce", "audit" };
	static const char *const wrong[] = { "", "on", "Audit", "audits", "0", "audit enforce" };
	char text[SPDM_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		ASSERT_EQ(0, spdm_write(0, "policy", words[i]));
		ASSERT_EQ(0, spdm_read(0, "policy", text, sizeof(text)));
		EXPECT_STREQ(words[i], text);
	}
	ASSERT_EQ(0, spdm_write(0, "policy", "audit\n"));
	for (size_t i = 1; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-EINVAL, spdm_write(0, "policy", wrong[i])) {
			TH_LOG("%s", wrong[i]);
		}
	}
	EXPECT_TRUE(spdm_is(0, "policy", "audit"));
}

TEST_F_TIMEOUT(agent, parameter, 60)
{
	static const char *const words[] = { "off", "audit", "enforce" };
	static const char *const wrong[] = { "on", "Audit", "audits", "0", "\\\"\\\"" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		reload_with(_metadata, words[i]);
		EXPECT_TRUE(spdm_is(0, "policy", words[i])) TH_LOG("%s", words[i]);
	}
	ASSERT_EQ(0, driver_unload(RUST_DRIVER));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-EINVAL, load_with(wrong[i])) TH_LOG("%s", wrong[i]);
		EXPECT_FALSE(driver_is_loaded(RUST_DRIVER));
	}
	ASSERT_EQ(0, driver_load(RUST_DRIVER));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_TRUE(spdm_is(0, "policy", "audit"));
}

/* The agent does not run by itself, but on request. */
TEST_F(agent, off)
{
	static const char *const unknown[] = { "version", "algorithms", "digest" };
	struct model_counters before, after;
	char text[SPDM_TEXT];

	ASSERT_EQ(0, model_counters(0, &before));
	reload_with(_metadata, "off");
	sleep_ms(500);
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.h2f, after.h2f);
	EXPECT_TRUE(spdm_is(0, "state", "off"));
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		EXPECT_EQ(-ENODATA, spdm_read(0, unknown[i], text, sizeof(text)));
	EXPECT_EQ(-ENODATA, spdm_write(0, "accepted", "1 " SPDM_NO_DIGEST));
	EXPECT_TRUE(spdm_is(0, "fresh", "not checked"));
	EXPECT_TRUE(spdm_is(0, "anchored", "not checked"));
	EXPECT_TRUE(spdm_is(0, "pinned", "not checked"));
	EXPECT_EQ(0, try_connect());

	ASSERT_EQ(0, spdm_authenticate(0));
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
	EXPECT_TRUE(spdm_is(0, "fresh", "yes"));

	/* nor after a reset */
	ASSERT_EQ(0, model_counters(0, &before));
	ASSERT_EQ(0, model_do(0, "{'cmd':'reset_firmware','down_ms':50}"));
	sleep_ms(100);
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	sleep_ms(500);
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.h2f, after.h2f);
	EXPECT_TRUE(spdm_is(0, "state", "off"));
	EXPECT_FALSE(spdm_is(0, "fresh", "yes"));
	reload_default(_metadata);
}

static int drop_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[0].effective &= ~(1u << CAP_SYS_ADMIN);
	data[0].permitted &= ~(1u << CAP_SYS_ADMIN);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/* uid 0 alone is not enough: the number of the write that got through. */
static int write_without_capability(void)
{
	static const char *const writes[][2] = {
		{ "policy", "off" }, { "policy", "enforce" }, { "policy", "audit" },
		{ "accepted", "none" },
	};

	if (drop_capability())
		return 100;
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
		if (spdm_write(0, writes[i][0], writes[i][1]) != -EPERM)
			return i + 1;
	return spdm_accept(0) == -EPERM ? 0 : 101;
}

TEST_F(agent, capability)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, spdm_accept(0));
	pid = fork();
	if (!pid)
		_exit(write_without_capability());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_TRUE(spdm_is(0, "policy", "audit"));
	EXPECT_TRUE(spdm_is(0, "accepted", "yes"));
}

TEST_F(agent, accept)
{
	char digest[SPDM_TEXT], text[SPDM_TEXT], right[SPDM_TEXT];
	uint64_t generation;

	ASSERT_EQ(0, spdm_read(0, "digest", digest, sizeof(digest)));
	generation = spdm_number(0, "generation");
	snprintf(right, sizeof(right), "%lu %.*s", generation, SPDM_DIGEST_TEXT, digest);
	snprintf(text, sizeof(text), "%lu %.*s", generation + 1, SPDM_DIGEST_TEXT, digest);
	EXPECT_EQ(-ESTALE, spdm_write(0, "accepted", text));
	snprintf(text, sizeof(text), "%lu %.*s", generation - 1, SPDM_DIGEST_TEXT, digest);
	EXPECT_EQ(-ESTALE, spdm_write(0, "accepted", text));
	snprintf(text, sizeof(text), "%s", right);
	text[strlen(text) - 1] ^= 1;	/* another digit */
	EXPECT_EQ(-ESTALE, spdm_write(0, "accepted", text));
	EXPECT_FALSE(spdm_is(0, "accepted", "yes"));

	ASSERT_EQ(0, spdm_write(0, "accepted", right));
	EXPECT_TRUE(spdm_is(0, "accepted", "yes"));
	EXPECT_TRUE(spdm_is(0, "pinned", "yes"));
	EXPECT_EQ(0, spdm_write(0, "accepted", "none\n"));
	EXPECT_FALSE(spdm_is(0, "accepted", "yes"));
	EXPECT_TRUE(spdm_is(0, "pinned", "not checked"));

	/* what was read before the last result is stale, although the digest is the same */
	ASSERT_EQ(0, spdm_authenticate(0));
	EXPECT_EQ(-ESTALE, spdm_write(0, "accepted", right));
	EXPECT_EQ(0, spdm_accept(0));
}

TEST_F(agent, accept_garbage)
{
	char digest[SPDM_TEXT], text[SPDM_TEXT * 2];
	const char *const wrong[] = {
		"x", "yes", "1", digest, "1 sha256:", "1 sha256:12", "1 sha512:00", "-1 0", "nonesuch",
	};
	uint64_t generation = spdm_number(0, "generation");

	ASSERT_EQ(0, spdm_read(0, "digest", digest, sizeof(digest)));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-EINVAL, spdm_write(0, "accepted", wrong[i])) {
			TH_LOG("%s", wrong[i]);
		}
	}
	snprintf(text, sizeof(text), "%lu %s x", generation, digest);
	EXPECT_EQ(-EINVAL, spdm_write(0, "accepted", text));
	snprintf(text, sizeof(text), "%lu %s0", generation, digest);
	EXPECT_EQ(-EINVAL, spdm_write(0, "accepted", text));
	snprintf(text, sizeof(text), "99999999999999999999 %s", digest);
	EXPECT_EQ(-EINVAL, spdm_write(0, "accepted", text));
	EXPECT_FALSE(spdm_is(0, "accepted", "yes"));
}

/* What is not fresh cannot be accepted. */
TEST_F(agent, accept_failure)
{
	char digest[SPDM_TEXT], text[SPDM_TEXT * 2];

	ASSERT_EQ(0, spdm_read(0, "digest", digest, sizeof(digest)));
	ASSERT_EQ(0, model_spdm_fault(0, "spdm-signature-flipped", ""));
	ASSERT_EQ(0, spdm_authenticate(0));
	ASSERT_TRUE(spdm_is(0, "state", "failed"));
	snprintf(text, sizeof(text), "%lu %s", spdm_number(0, "generation"), digest);
	EXPECT_EQ(-ENODATA, spdm_write(0, "accepted", text));
	EXPECT_EQ(-ENODATA, spdm_read(0, "digest", text, sizeof(text)));
}

TEST_F(agent, enforce)
{
	int fd = issei_open_connected(0, O_RDWR, ECHO_B), other;
	struct issei_call reader = { .what = CALL_READ, .fd = fd, .len = 16 };
	char in[16];

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, issei_echo(fd, 100, 1));

	/* connections that nobody accepted end with the policy */
	ASSERT_EQ(0, spdm_write(0, "policy", "enforce"));
	ASSERT_EQ(0, wait_dropped(fd));
	EXPECT_EQ(-ENOTCONN, issei_write(fd, "ping", 4));
	EXPECT_EQ(-EKEYREJECTED, issei_connect(fd, ECHO_B, NULL));
	EXPECT_EQ(-EKEYREJECTED, try_connect());
	EXPECT_EQ(-ENOTTY, issei_connect(fd, NOBODY, NULL));

	/* the SPDM client is for finding out */
	other = issei_open_connected(0, O_RDWR, SPDM);
	ASSERT_LE(0, other);
	EXPECT_EQ(4, issei_write(other, "\x10\x84\0", 4));
	EXPECT_LT(4, issei_read(other, in, sizeof(in)));

	ASSERT_EQ(0, spdm_accept(0));
	ASSERT_EQ(0, issei_connect(fd, ECHO_B, NULL));
	EXPECT_EQ(0, issei_echo(fd, 100, 2));
	ASSERT_EQ(0, issei_call_start(&reader));

	/* withdrawal ends them, but for that to the SPDM client */
	ASSERT_EQ(0, spdm_write(0, "accepted", "none"));
	EXPECT_EQ(-ENOTCONN, issei_call_end(&reader, PROMPT_MS));
	EXPECT_EQ(-ENOTCONN, issei_write(fd, "ping", 4));
	EXPECT_EQ(-EKEYREJECTED, issei_connect(fd, ECHO_B, NULL));
	EXPECT_EQ(4, issei_write(other, "\x10\x84\0", 4));
	EXPECT_LT(4, issei_read(other, in, sizeof(in)));
	close(other);

	ASSERT_EQ(0, spdm_write(0, "policy", "audit"));
	EXPECT_EQ(0, issei_connect(fd, ECHO_B, NULL));
	EXPECT_EQ(0, issei_echo(fd, 100, 3));
	close(fd);
}

/* An authentication that fails takes the acceptance away. */
TEST_F(agent, enforce_failure)
{
	int fd;

	ASSERT_EQ(0, spdm_accept(0));
	ASSERT_EQ(0, spdm_write(0, "policy", "enforce"));
	fd = issei_open_connected(0, O_RDWR, ECHO_B);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, spdm_authenticate(0));
	EXPECT_EQ(0, issei_echo(fd, 100, 1));
	EXPECT_TRUE(spdm_is(0, "accepted", "yes"));

	ASSERT_EQ(0, model_spdm_fault(0, "spdm-signature-flipped", ""));
	ASSERT_EQ(0, spdm_authenticate(0));
	EXPECT_TRUE(spdm_is(0, "state", "failed"));
	EXPECT_FALSE(spdm_is(0, "accepted", "yes"));
	EXPECT_EQ(0, wait_dropped(fd));
	EXPECT_EQ(-EKEYREJECTED, issei_connect(fd, ECHO_B, NULL));
	close(fd);
}

/* What could not be checked never passes after a reset. */
TEST_F(agent, enforce_unknown)
{
	ASSERT_EQ(0, spdm_accept(0));
	ASSERT_EQ(0, spdm_write(0, "policy", "enforce"));
	EXPECT_EQ(0, try_connect());
	ASSERT_EQ(0, model_spdm_fault(0, "spdm-error", "'on':'challenge-auth','count':0"));
	ASSERT_EQ(0, spdm_reset_link(0));
	EXPECT_TRUE(spdm_is(0, "state", "error"));
	EXPECT_EQ(-EKEYREJECTED, try_connect());
	ASSERT_EQ(0, model_do(0, "{'cmd':'clear_faults'}"));
	ASSERT_EQ(0, spdm_authenticate(0));
	EXPECT_TRUE(spdm_is(0, "accepted", "yes"));
	EXPECT_EQ(0, try_connect());
}

TEST_F(agent, audit_never_refuses)
{
	static const char *const faults[] = {
		"spdm-signature-flipped", "spdm-chain-broken", "spdm-error", "spdm-version-none",
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		int fd = issei_open_connected(0, O_RDWR, ECHO_B);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, model_spdm_fault(0, faults[i], ""));
		ASSERT_EQ(0, spdm_authenticate(0));
		EXPECT_FALSE(spdm_is(0, "state", "authenticated")) TH_LOG("%s", faults[i]);
		EXPECT_EQ(0, issei_echo(fd, 100, 1));
		EXPECT_EQ(0, try_connect());
		close(fd);
	}
}

struct race {
	bool stop;
	bool accepted;
	uint64_t refused;
	uint64_t early;		/* connections before the acceptance */
	uint64_t late;		/* and after it */
};

static void connect_loop(struct race *race)
{
	while (!__atomic_load_n(&race->stop, __ATOMIC_SEQ_CST)) {
		bool accepted = __atomic_load_n(&race->accepted, __ATOMIC_SEQ_CST);
		int ret = try_connect();

		if (ret == -EKEYREJECTED)
			race->refused++;
		else if (!ret && accepted)
			race->late++;
		else if (!ret && !__atomic_load_n(&race->accepted, __ATOMIC_SEQ_CST))
			race->early++;
	}
	_exit(0);
}

/* Nothing slips through between the load of the module and the acceptance. */
TEST_F_TIMEOUT(agent, enforce_from_the_first, 60)
{
	struct race *race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t refused;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, race);
	for (int i = 0; i < 3; i++) {
		memset(race, 0, sizeof(*race));
		ASSERT_EQ(0, driver_unload(RUST_DRIVER));
		pid = fork();
		if (!pid)
			connect_loop(race);
		EXPECT_EQ(0, load_with("enforce"));
		EXPECT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
		EXPECT_EQ(0, issei_wait_up(0, LINK_UP_MS));
		EXPECT_EQ(0, spdm_wait_state(0, "authenticated", SPDM_SETTLE_MS));
		sleep_ms(20);
		refused = __atomic_load_n(&race->refused, __ATOMIC_SEQ_CST);
		EXPECT_LT(0, refused);
		__atomic_store_n(&race->accepted, true, __ATOMIC_SEQ_CST);
		EXPECT_EQ(0, spdm_accept(0));
		sleep_ms(200);
		__atomic_store_n(&race->stop, true, __ATOMIC_SEQ_CST);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		EXPECT_EQ(0, race->early);
		EXPECT_LT(0, race->late);
	}
	reload_default(_metadata);
}

/* The parameter is for devices that come; those that are there have a file. */
TEST_F(agent, parameter_is_readable)
{
	char text[SPDM_TEXT];

	ASSERT_LT(0, file_read(PARAMETER, text, sizeof(text)));
	EXPECT_STREQ("audit\n", text);
}

TEST_HARNESS_MAIN
