// SPDX-License-Identifier: GPL-2.0
/* The log of signatures: what stands in an entry, the chain of hashes, its bound. */
#include <limits.h>

#include "issei_spdm_fixture.h"

#define TAG		"issei-log-1"
#define NONCE		32
#define PREFIX		100
#define CHALLENGE	"responder-challenge_auth signing"
#define MEASUREMENTS	"responder-measurements signing"
#define LIMIT_MIN	65536
#define LIMIT_MAX	16777216

/* In the order in which they are hashed. */
enum { TYPE, HASH, COMBINED, TRANSCRIPT, SIGNATURE, CHAIN, REQUESTER, RESPONDER, PARTS };

static const char *const names[PARTS] = {
	"type", "hash_algorithm", "combined_spdm_prefix", "transcript", "signature",
	"certificate_chain", "requester_nonce", "responder_nonce",
};

struct entry {
	struct {
		uint8_t bytes[SPDM_CHAIN_MAX * 2];
		ssize_t len;
	} part[PARTS];
	uint8_t head[SHA256_SIZE];
};

static struct entry entry;

/* -ENOENT if there is no entry @n. */
static int read_entry(uint64_t n, struct entry *e)
{
	char file[64], text[SPDM_TEXT];
	int ret;

	for (int i = 0; i < PARTS; i++) {
		snprintf(file, sizeof(file), "signatures/%llu_%s", (unsigned long long)n, names[i]);
		e->part[i].len = spdm_read_bytes(0, file, e->part[i].bytes,
						 sizeof(e->part[i].bytes));
		if (e->part[i].len < 0)
			return e->part[i].len;
		/* texts end in a newline */
		if ((i == TYPE || i == HASH) && e->part[i].len)
			e->part[i].bytes[--e->part[i].len] = '\0';
	}
	snprintf(file, sizeof(file), "signatures/%llu_head", (unsigned long long)n);
	ret = spdm_read(0, file, text, sizeof(text));
	if (ret)
		return ret;
	return strlen(text) == 2 * SHA256_SIZE &&
	       hex_decode(text, e->head, sizeof(e->head)) == SHA256_SIZE ? 0 : -EBADMSG;
}

static int next_head(uint64_t n, const struct entry *e, uint8_t head[SHA256_SIZE])
{
	struct iovec parts[3 + 2 * PARTS] = {
		{ TAG, sizeof(TAG) }, { head, SHA256_SIZE }, { &n, sizeof(n) },
	};
	uint64_t length[PARTS];
	int count = 3;

	for (int i = 0; i < PARTS; i++) {
		length[i] = e->part[i].len;
		parts[count++] = (struct iovec) { &length[i], sizeof(length[i]) };
		parts[count++] = (struct iovec) { (void *)e->part[i].bytes, e->part[i].len };
	}
	return sha256(head, parts, count);
}

/* From entry @from, with the head before it, to the last. */
static void check_chain(struct __test_metadata *_metadata, uint64_t from,
			uint8_t head[SHA256_SIZE])
{
	uint64_t count = spdm_number(0, "log_count");
	char text[SPDM_TEXT], hex[2 * SHA256_SIZE + 1];

	ASSERT_LT(from, count);
	for (uint64_t n = from; n < count; n++) {
		ASSERT_EQ(0, read_entry(n, &entry)) TH_LOG("entry %llu", (unsigned long long)n);
		ASSERT_EQ(0, next_head(n, &entry, head));
		ASSERT_EQ(0, memcmp(head, entry.head, SHA256_SIZE)) {
			TH_LOG("entry %llu", (unsigned long long)n);
		}
	}
	ASSERT_EQ(0, spdm_read(0, "log_head", text, sizeof(text)));
	hex_encode(head, SHA256_SIZE, hex);
	EXPECT_STREQ(hex, text);
	EXPECT_EQ(-ENOENT, read_entry(count, &entry));
}

static bool part_is(int part, const char *text)
{
	return entry.part[part].len == (ssize_t)strlen(text) &&
	       !memcmp(entry.part[part].bytes, text, strlen(text));
}

/* Forgets everything: the log begins with the first load of the module. */
static void reload(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, driver_unload(RUST_DRIVER));
	ASSERT_EQ(0, driver_load(RUST_DRIVER));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	ASSERT_EQ(0, spdm_wait_state(0, "authenticated", SPDM_SETTLE_MS));
}

TEST_F(agent, epoch)
{
	char boot_id[64], *to = boot_id;
	uint8_t binary[16], first[NONCE];

	reload(_metadata);
	ASSERT_EQ(0, read_entry(0, &entry));
	EXPECT_TRUE(part_is(TYPE, "issei-log epoch"));
	ASSERT_EQ(sizeof(binary) + NONCE, entry.part[TRANSCRIPT].len);
	for (int i = 0; i < PARTS; i++)
		if (i != TYPE && i != TRANSCRIPT) {
			EXPECT_EQ(0, entry.part[i].len) {
				TH_LOG("%s", names[i]);
			}
		}

	ASSERT_LT(0, file_read("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id)));
	for (const char *from = boot_id; *from; from++)
		if (*from != '-')
			*to++ = *from;
	ASSERT_EQ(sizeof(binary), hex_decode(boot_id, binary, sizeof(binary)));
	EXPECT_EQ(0, memcmp(binary, entry.part[TRANSCRIPT].bytes, sizeof(binary)));

	/* another one each time */
	memcpy(first, entry.part[TRANSCRIPT].bytes + sizeof(binary), NONCE);
	reload(_metadata);
	ASSERT_EQ(0, read_entry(0, &entry));
	EXPECT_NE(0, memcmp(first, entry.part[TRANSCRIPT].bytes + sizeof(binary), NONCE));
}

TEST_F(agent, chain)
{
	uint8_t head[SHA256_SIZE] = {};

	reload(_metadata);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, spdm_authenticate(0));
	EXPECT_EQ(1 + 2 * 4, spdm_number(0, "log_count"));
	check_chain(_metadata, 0, head);
}

/* One entry of a version with prefixes. */
static void check_entry(struct __test_metadata *_metadata, const char *type, const char *version)
{
	static uint8_t chain[SPDM_CHAIN_MAX];
	ssize_t size = model_spdm_chain(0, 0, NULL, chain, sizeof(chain));
	uint8_t prefix[PREFIX] = {};
	char tag[17];

	EXPECT_TRUE(part_is(TYPE, type)) TH_LOG("%s", entry.part[TYPE].bytes);
	EXPECT_TRUE(part_is(HASH, "sha384")) TH_LOG("%s", entry.part[HASH].bytes);
	if (version) {
		snprintf(tag, sizeof(tag), "dmtf-spdm-v%s.*", version);
		for (int i = 0; i < 4; i++)
			memcpy(prefix + 16 * i, tag, 16);
		memcpy(prefix + PREFIX - strlen(type), type, strlen(type));
		ASSERT_EQ(PREFIX, entry.part[COMBINED].len);
		EXPECT_EQ(0, memcmp(prefix, entry.part[COMBINED].bytes, PREFIX));
	} else {
		EXPECT_EQ(0, entry.part[COMBINED].len);
	}
	EXPECT_EQ(SPDM_SIGNATURE, entry.part[SIGNATURE].len);
	ASSERT_EQ(size, entry.part[CHAIN].len);
	EXPECT_EQ(0, memcmp(chain, entry.part[CHAIN].bytes, size));
	for (int i = REQUESTER; i <= RESPONDER; i++) {
		ASSERT_EQ(NONCE, entry.part[i].len);
		EXPECT_NE(NULL, memmem(entry.part[TRANSCRIPT].bytes, entry.part[TRANSCRIPT].len,
				       entry.part[i].bytes, NONCE)) TH_LOG("%s", names[i]);
	}
	EXPECT_EQ(NULL, memmem(entry.part[TRANSCRIPT].bytes, entry.part[TRANSCRIPT].len,
			       entry.part[SIGNATURE].bytes, SPDM_SIGNATURE));
}

TEST_F(agent, entries)
{
	uint8_t nonce[NONCE];
	uint64_t n;

	ASSERT_EQ(0, spdm_authenticate(0));
	n = spdm_number(0, "log_count") - 2;
	ASSERT_EQ(0, read_entry(n, &entry));
	check_entry(_metadata, CHALLENGE, "1.3");
	memcpy(nonce, entry.part[REQUESTER].bytes, NONCE);
	/* GET_VERSION first, whose answer has version 1.0 as well */
	EXPECT_EQ(0, memcmp("\x10\x84\0\0\x10\x04", entry.part[TRANSCRIPT].bytes, 6));
	ASSERT_EQ(0, read_entry(n + 1, &entry));
	check_entry(_metadata, MEASUREMENTS, "1.3");
	EXPECT_EQ(0, memcmp("\x10\x84\0\0\x10\x04", entry.part[TRANSCRIPT].bytes, 6));
	EXPECT_NE(0, memcmp(nonce, entry.part[REQUESTER].bytes, NONCE));
}

/* Before 1.2 there is no prefix, and measurements are signed without what was negotiated. */
TEST_F(agent, entries_of_1_1)
{
	uint64_t n;

	ASSERT_EQ(0, model_spdm_set(0, "'versions':['1.1']"));
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	ASSERT_EQ(0, spdm_wait_state(0, "authenticated", 0));
	n = spdm_number(0, "log_count") - 2;
	ASSERT_EQ(0, read_entry(n, &entry));
	check_entry(_metadata, CHALLENGE, NULL);
	EXPECT_EQ(0, memcmp("\x10\x84\0\0\x10\x04", entry.part[TRANSCRIPT].bytes, 6));
	ASSERT_EQ(0, read_entry(n + 1, &entry));
	check_entry(_metadata, MEASUREMENTS, NULL);
	EXPECT_EQ(0, memcmp("\x11\xe0", entry.part[TRANSCRIPT].bytes, 2));
}

TEST_F(agent, limit)
{
	static const char *const wrong[] = {
		"0", "65535", "16777217", "18446744073709551616", "-1", "64k", "x", "100000 1",
	};
	uint8_t head[SHA256_SIZE];
	uint64_t count, dropped;
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-EINVAL, spdm_write(0, "memory_limit", wrong[i])) {
			TH_LOG("%s", wrong[i]);
		}
	}
	EXPECT_EQ(1048576, spdm_number(0, "memory_limit"));

	reload(_metadata);
	while (spdm_number(0, "memory_used") < LIMIT_MIN)
		ASSERT_EQ(0, spdm_authenticate(0));
	count = spdm_number(0, "log_count");
	EXPECT_EQ(0, spdm_number(0, "log_dropped"));
	snprintf(text, sizeof(text), "%d\n", LIMIT_MIN);
	ASSERT_EQ(0, spdm_write(0, "memory_limit", text));
	EXPECT_EQ(LIMIT_MIN, spdm_number(0, "memory_limit"));

	/* the oldest go, and it shows */
	dropped = spdm_number(0, "log_dropped");
	EXPECT_LT(0, dropped);
	EXPECT_GT(count, dropped);
	EXPECT_GE(LIMIT_MIN, spdm_number(0, "memory_used"));
	EXPECT_EQ(count, spdm_number(0, "log_count"));
	EXPECT_EQ(-ENOENT, read_entry(0, &entry));
	EXPECT_EQ(-ENOENT, read_entry(dropped - 1, &entry));
	ASSERT_EQ(0, read_entry(dropped, &entry));
	memcpy(head, entry.head, sizeof(head));
	check_chain(_metadata, dropped + 1, head);

	/* it stays within it */
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, spdm_authenticate(0));
		ASSERT_EQ(0, spdm_wait_state(0, "authenticated", 0));
		EXPECT_GE(LIMIT_MIN, spdm_number(0, "memory_used"));
	}
	EXPECT_LT(dropped, spdm_number(0, "log_dropped"));
	snprintf(text, sizeof(text), "%d", LIMIT_MAX);
	EXPECT_EQ(0, spdm_write(0, "memory_limit", text));
	EXPECT_EQ(0, spdm_write(0, "memory_limit", "1048576"));
}

TEST_HARNESS_MAIN
