// SPDX-License-Identifier: GPL-2.0
/* What issei<N>/spdm shows: files, formats, certificates, events. */
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "issei_spdm_fixture.h"

static uint8_t expected[SPDM_CHAIN_MAX], found[SPDM_CHAIN_MAX];

/* The asterisk is the number of the last entry of the log. */
static const struct {
	const char *name;
	mode_t mode;
} files[] = {
	{ "state", 0444 }, { "version", 0444 }, { "algorithms", 0444 }, { "fresh", 0444 },
	{ "anchored", 0444 }, { "pinned", 0444 }, { "accepted", 0644 }, { "generation", 0444 },
	{ "digest", 0444 }, { "policy", 0644 }, { "authenticate", 0200 }, { "log_head", 0444 },
	{ "log_count", 0444 }, { "log_dropped", 0444 }, { "memory_limit", 0644 },
	{ "memory_used", 0444 }, { "certificates/slot0", 0400 }, { "certificates/slot1", 0400 },
	{ "signatures/*_signature", 0400 }, { "signatures/*_transcript", 0400 },
	{ "signatures/*_hash_algorithm", 0400 }, { "signatures/*_combined_spdm_prefix", 0400 },
	{ "signatures/*_certificate_chain", 0400 }, { "signatures/*_type", 0400 },
	{ "signatures/*_requester_nonce", 0400 }, { "signatures/*_responder_nonce", 0400 },
	{ "signatures/*_head", 0400 },
};

static const char *file_name(size_t i)
{
	const char *at = strchr(files[i].name, '*');
	static char name[64];

	if (!at)
		return files[i].name;
	snprintf(name, sizeof(name), "%.*s%lu%s", (int)(at - files[i].name), files[i].name,
		 spdm_number(0, "log_count") - 1, at + 1);
	return name;
}

TEST_F(agent, modes)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[PATH_MAX];
		struct stat st;

		spdm_path(0, path, sizeof(path), file_name(i));
		ASSERT_EQ(0, stat(path, &st)) TH_LOG("%s", files[i].name);
		EXPECT_EQ(files[i].mode, st.st_mode & 07777) TH_LOG("%s", files[i].name);
		EXPECT_EQ(0, st.st_uid);
	}
}

static bool is_hex(const char *text, size_t len)
{
	return strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

TEST_F(agent, formats)
{
	static const char *const words[][2] = {
		{ "state", "authenticated" }, { "version", "1.3" },
		{ "algorithms", "ECDSA_ECC_NIST_P256 sha384 sha384" }, { "fresh", "yes" },
		{ "policy", "audit" }, { "memory_limit", "1048576" },
	};
	static const char *const numbers[] = {
		"generation", "log_count", "log_dropped", "memory_limit", "memory_used",
	};
	char text[SPDM_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		ASSERT_EQ(0, spdm_read(0, words[i][0], text, sizeof(text)));
		EXPECT_STREQ(words[i][1], text) TH_LOG("%s", words[i][0]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		EXPECT_NE(~0ull, spdm_number(0, numbers[i])) {
			TH_LOG("%s", numbers[i]);
		}
	}
	ASSERT_EQ(0, spdm_read(0, "digest", text, sizeof(text)));
	EXPECT_EQ(0, strncmp(text, "sha256:", 7));
	EXPECT_TRUE(is_hex(text + 7, 64)) TH_LOG("%s", text);
	ASSERT_EQ(0, spdm_read(0, "log_head", text, sizeof(text)));
	EXPECT_TRUE(is_hex(text, 64)) TH_LOG("%s", text);
	EXPECT_GT(spdm_number(0, "memory_limit"), spdm_number(0, "memory_used"));
	EXPECT_LT(0, spdm_number(0, "memory_used"));
}

/* No word without a reason, and what nobody could check is not called "no". */
TEST_F(agent, verdicts)
{
	static const char *const open[] = { "anchored", "pinned", "accepted" };
	char text[SPDM_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
		ASSERT_EQ(0, spdm_read(0, open[i], text, sizeof(text)));
		EXPECT_EQ(0, strncmp(text, "not checked: ", 13)) TH_LOG("%s: %s", open[i], text);
		EXPECT_LT(13, strlen(text));
	}
}

TEST_F(agent, authenticate)
{
	char head[SPDM_TEXT], digest[SPDM_TEXT], text[SPDM_TEXT];
	uint64_t generation = spdm_number(0, "generation"), count = spdm_number(0, "log_count");
	static const char *const wrong[] = { "0", "2", "yes", "11" };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-EINVAL, spdm_write(0, "authenticate", wrong[i])) {
			TH_LOG("%s", wrong[i]);
		}
	}
	EXPECT_GT(0, spdm_read(0, "authenticate", text, sizeof(text)));
	EXPECT_EQ(generation, spdm_number(0, "generation"));

	ASSERT_EQ(0, spdm_read(0, "log_head", head, sizeof(head)));
	ASSERT_EQ(0, spdm_read(0, "digest", digest, sizeof(digest)));
	ASSERT_EQ(0, spdm_write(0, "authenticate", "1\n"));
	ASSERT_EQ(0, spdm_wait_generation(0, generation, SPDM_SETTLE_MS));
	EXPECT_EQ(0, spdm_wait_state(0, "authenticated", 0));

	/* CHALLENGE and GET_MEASUREMENTS are signed */
	EXPECT_EQ(count + 2, spdm_number(0, "log_count"));
	ASSERT_EQ(0, spdm_read(0, "log_head", text, sizeof(text)));
	EXPECT_STRNE(head, text);
	ASSERT_EQ(0, spdm_read(0, "digest", text, sizeof(text)));
	EXPECT_STREQ(digest, text);
}

/* While the link is down there is nobody to ask. */
TEST_F(agent, authenticate_without_link)
{
	ASSERT_EQ(0, model_do(0, "{'cmd':'reset_firmware','down_ms':500}"));
	ASSERT_EQ(0, spdm_wait_state(0, "waiting", PROMPT_MS));
	EXPECT_EQ(-EBUSY, spdm_write(0, "authenticate", "1"));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(0, spdm_wait_state(0, "authenticated", SPDM_SETTLE_MS));
}

TEST_F(agent, certificates)
{
	for (unsigned int slot = 0; slot < 2; slot++) {
		ssize_t size = model_spdm_chain(0, slot, NULL, expected, sizeof(expected));
		char file[32];
		int count = 0;

		ASSERT_LT(0, size);
		snprintf(file, sizeof(file), "certificates/slot%u", slot);
		ASSERT_EQ(size, spdm_read_bytes(0, file, found, sizeof(found))) TH_LOG("%s", file);
		ASSERT_EQ(0, memcmp(expected, found, size));
		for (ssize_t at = 0; at < size; count++) {
			size_t len = der_length(found + at, size - at);

			ASSERT_LT(0, len);
			EXPECT_EQ(0x30, found[at]);
			at += len;
		}
		EXPECT_EQ(3, count);
	}
}

/* The slots that DIGESTS has, without their chains being those of before. */
TEST_F(agent, slots)
{
	char path[PATH_MAX];

	ASSERT_EQ(0, model_spdm_set(0, "'slots':[2,7]"));
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	ASSERT_EQ(0, spdm_wait_state(0, "authenticated", 0));
	for (unsigned int slot = 0; slot < 8; slot++) {
		bool there = slot == 2 || slot == 7;
		char file[32];
		ssize_t size;

		snprintf(file, sizeof(file), "certificates/slot%u", slot);
		spdm_path(0, path, sizeof(path), file);
		size = spdm_read_bytes(0, file, found, sizeof(found));
		if (there) {
			ASSERT_EQ(model_spdm_chain(0, slot, NULL, expected, sizeof(expected)),
				  size) TH_LOG("%s", file);
			EXPECT_EQ(0, memcmp(expected, found, size));
		} else {
			EXPECT_TRUE(size == -ENOENT || size == 0) TH_LOG("%s: %zd", file, size);
		}
	}
}

static int as_nobody(int (*check)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(setgid(65534) || setuid(65534) ? 125 : check());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The files of the table behave as their modes say; the number of the first that does not. */
static int check_access(void)
{
	char text[SPDM_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ssize_t ret = spdm_read_bytes(0, file_name(i), (uint8_t *)text, sizeof(text));

		if (files[i].mode & 0004 ? ret <= 0 : ret != -EACCES)
			return i + 1;
		if (spdm_write(0, file_name(i), "1") != -EACCES)
			return i + 1;
	}
	return 0;
}

TEST_F(agent, unprivileged)
{
	int wrong = as_nobody(check_access);

	EXPECT_EQ(0, wrong) TH_LOG("%s", wrong > 0 ? files[wrong - 1].name : "");
}

/* Each result is told by an event with the word of the state. */
TEST_F(agent, events)
{
	int events = uevent_open();
	const char *event;

	ASSERT_LE(0, events);
	ASSERT_EQ(0, spdm_authenticate(0));
	do {
		event = uevent_wait(events, "change", "/issei/issei0", PROMPT_MS);
		ASSERT_NE(NULL, event);
	} while (!uevent_has(event, "ISSEI_SPDM=authenticated"));
	EXPECT_TRUE(uevent_has(event, "DEVNAME=issei0")) TH_LOG("%s", event);

	ASSERT_EQ(0, model_spdm_fault(0, "spdm-signature-flipped", ""));
	ASSERT_EQ(0, spdm_authenticate(0));
	do {
		event = uevent_wait(events, "change", "/issei/issei0", PROMPT_MS);
		ASSERT_NE(NULL, event);
	} while (!uevent_has(event, "ISSEI_SPDM=failed"));
	close(events);
}

/* A failure says in state and in one line of the log which message and which check. */
TEST_F(agent, failure_is_logged_once)
{
	char line[512], text[SPDM_TEXT];
	int kmsg = kmsg_open(), lines = 0;

	ASSERT_LE(0, kmsg);
	ASSERT_EQ(0, model_spdm_fault(0, "spdm-digests-wrong", ""));
	ASSERT_EQ(0, spdm_authenticate(0));
	ASSERT_EQ(0, spdm_read(0, "state", text, sizeof(text)));
	EXPECT_EQ(0, strncmp(text, "failed: CERTIFICATE: Digest: ", 29)) TH_LOG("%s", text);
	while (kmsg_next(kmsg, line, sizeof(line)) > 0)
		lines += !!strstr(line, "CERTIFICATE: Digest: ");
	EXPECT_EQ(1, lines);
	close(kmsg);
	EXPECT_TRUE(spdm_is(0, "fresh", "no"));
	EXPECT_FALSE(spdm_is(0, "accepted", "yes"));
}

static int set_capabilities(const char *list)
{
	return model_spdm_set(0, "'capabilities':[%s]", list);
}

/* An engine that can prove nothing is no error, and none that fails. */
TEST_F(agent, unsupported)
{
	static const char *const lists[] = {
		"", "'cert'", "'cert','meas'", "'meas','chunk'",
	};
	char text[SPDM_TEXT];
	int kmsg = kmsg_open();

	ASSERT_LE(0, kmsg);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		ASSERT_EQ(0, set_capabilities(lists[i]));
		ASSERT_EQ(0, spdm_authenticate_anew(0));
		ASSERT_EQ(0, spdm_read(0, "state", text, sizeof(text)));
		EXPECT_TRUE(spdm_is(0, "state", "unsupported")) TH_LOG("%s: %s", lists[i], text);
		EXPECT_TRUE(spdm_is(0, "fresh", "not checked"));
		EXPECT_EQ(-ENODATA, spdm_read(0, "digest", text, sizeof(text)));
	}
	EXPECT_EQ(0, kmsg_count(kmsg, "issei", 4)) TH_LOG("a warning in the log");
	close(kmsg);
}

/* One signature is enough. */
TEST_F(agent, one_signature)
{
	static const char *const lists[] = {
		"'cert','chal'", "'cert','meas-sig'", "'cert','chal','meas'",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		uint64_t count = spdm_number(0, "log_count");

		ASSERT_EQ(0, set_capabilities(lists[i]));
		ASSERT_EQ(0, spdm_authenticate_anew(0));
		EXPECT_EQ(0, spdm_wait_state(0, "authenticated", 0)) TH_LOG("%s", lists[i]);
		EXPECT_EQ(count + 1, spdm_number(0, "log_count"));
	}
}

TEST_HARNESS_MAIN
