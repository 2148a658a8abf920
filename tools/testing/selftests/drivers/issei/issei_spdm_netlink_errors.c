// SPDX-License-Identifier: GPL-2.0
/* Evidence that is refused, or cannot be had: each with its errno and a reason. */
#include <linux/netlink.h>

#include "issei_spdm_fixture.h"
#include "issei_evidence.h"

static const uint8_t nonce[NONCE_SIZE] = { 1, 2, 3 };

/* What is wrong with a request is told before anything is done. */
TEST_F(agent, requests)
{
	static const uint8_t bytes[64];
	static const uint32_t zero, bit10 = 1 << 10, two = 2, eight = 8;
	static const struct {
		const char *what;
		bool device, nonce;
		uint16_t type;
		const void *data;
		size_t len;
		int error;
		const char *ack;
	} rows[] = {
#define A(type) ISSEI_EVIDENCE_A_##type
		{ "no device", false, true, 0, NULL, 0, -EINVAL, "dev-name is missing" },
		{ "another device", false, true, A(DEV_NAME), "issei7", 7, -ENODEV,
		  "there is no device of this name" },
		{ "empty name", false, true, A(DEV_NAME), "", 1, -ENODEV, "no device" },
		{ "name without an end", false, true, A(DEV_NAME), "issei0", 6, -EINVAL, "" },
		{ "name too long", false, true, A(DEV_NAME), bytes, 40, -ERANGE, "" },
		{ "empty nonce", true, false, A(NONCE), bytes, 0, -ERANGE, "size out of range" },
		{ "nonce too short", true, false, A(NONCE), bytes, 31, -ERANGE,
		  "size out of range" },
		{ "nonce too long", true, false, A(NONCE), bytes, 33, -ERANGE,
		  "size out of range" },
		{ "unknown type", true, true, A(TYPE_MASK), &bit10, 4, -EINVAL,
		  "reserved bit" },
		{ "types of 8 bytes", true, true, A(TYPE_MASK), bytes, 8, -EINVAL, "" },
		{ "unknown flag", true, true, A(FLAGS), &two, 4, -EINVAL, "reserved bit" },
		{ "slot without nonce", true, false, A(SLOT), &zero, 4, -EINVAL,
		  "only with a nonce" },
		{ "slot 8", true, true, A(SLOT), &eight, 4, -ERANGE, "out of range" },
		{ "an attribute of answers", true, true, A(GENERATION), &zero, 4, -EINVAL, "" },
		{ "another", true, true, A(STATE), "x", 2, -EINVAL, "" },
		{ "unknown attribute", true, true, A(MAX) + 1, &zero, 4, -EINVAL, "" },
#undef A
	};
	static struct evidence evidence;
	struct model_counters before, after;
	struct evidence_request r;
	struct evidence_socket s;

	ASSERT_EQ(0, evidence_open(&s));
	ASSERT_EQ(0, model_counters(0, &before));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		request_begin(&r, rows[i].device ? "issei0" : NULL, rows[i].nonce ? nonce : NULL);
		if (rows[i].type)
			request_put(&r, rows[i].type, rows[i].data, rows[i].len);
		EXPECT_EQ(rows[i].error, evidence_dump(&s, &r, &evidence)) {
			TH_LOG("%s", rows[i].what);
		}
		EXPECT_EQ(0, evidence.messages);
		EXPECT_NE('\0', evidence.ack[0]) TH_LOG("%s", rows[i].what);
		EXPECT_NE(NULL, strstr(evidence.ack, rows[i].ack)) TH_LOG("%s", evidence.ack);
	}
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(before.h2f, after.h2f);
	close(s.fd);
}

/* There is one operation, a dump. */
TEST_F(agent, operations)
{
	static const struct {
		uint8_t command;
		uint16_t flags;
	} rows[] = {
		{ ISSEI_EVIDENCE_CMD_READ, NLM_F_ACK },
		{ ISSEI_EVIDENCE_CMD_RESULT, NLM_F_ACK },
		{ ISSEI_EVIDENCE_CMD_RESULT, NLM_F_DUMP },
		{ ISSEI_EVIDENCE_CMD_MAX + 1, NLM_F_DUMP },
		{ 0, NLM_F_DUMP },
	};
	static struct evidence evidence;
	struct evidence_request r;
	struct evidence_socket s;

	ASSERT_EQ(0, evidence_open(&s));
	request_begin(&r, "issei0", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_EQ(0, evidence_send(&s, &r, rows[i].command, rows[i].flags));
		EXPECT_EQ(-EOPNOTSUPP, evidence_receive(&s, &evidence));
	}
	close(s.fd);
}

/* A sequence that fails ends the dump, and leaves what the agent knows as it is. */
TEST_F_TIMEOUT(agent, failures, 60)
{
	static const struct {
		const char *fault, *more;
		int error;
		const char *why;
	} rows[] = {
		{ "spdm-silent", "\"on\":\"version\"", -ETIMEDOUT, "GET_VERSION" },
		{ "spdm-silent", "\"on\":\"measurements\"", -ETIMEDOUT, "GET_MEASUREMENTS" },
		{ "spdm-truncated", "\"on\":\"certificate\",\"value\":17", -EPROTO, "CERTIFICATE" },
		{ "spdm-long", "\"on\":\"measurements\",\"value\":1", -EPROTO, "MEASUREMENTS" },
		{ "spdm-long", "\"on\":\"version\",\"value\":4000", -EPROTO, "VERSION" },
		{ "spdm-chain-broken", "", -EKEYREJECTED, "CERTIFICATE" },
		{ "spdm-digests-wrong", "", -EKEYREJECTED, "" },
		{ "spdm-signature-flipped", "", -EKEYREJECTED, "MEASUREMENTS" },
	};
	static struct evidence evidence, before, after;
	struct evidence_request r, current;
	struct evidence_socket s;

	ASSERT_EQ(0, evidence_open(&s));
	request_begin(&r, "issei0", nonce);
	request_begin(&current, "issei0", NULL);
	ASSERT_EQ(0, evidence_dump(&s, &current, &before));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_EQ(0, model_spdm_fault(0, rows[i].fault, rows[i].more));
		EXPECT_EQ(rows[i].error, evidence_dump(&s, &r, &evidence)) {
			TH_LOG("%s %s: %s", rows[i].fault, rows[i].more, evidence.ack);
		}
		EXPECT_EQ(0, evidence.types);
		EXPECT_EQ(2, evidence.messages);
		EXPECT_STREQ("authenticated", evidence.state);
		EXPECT_NE(NULL, strstr(evidence.why, rows[i].why)) TH_LOG("%s", evidence.why);
		EXPECT_NE('\0', evidence.ack[0]);
		EXPECT_EQ(0, strncmp(evidence.ack, evidence.why, strlen(evidence.ack)));
		ASSERT_EQ(0, model_do(0, "{\"cmd\":\"clear_faults\"}"));
	}
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
	ASSERT_EQ(0, evidence_dump(&s, &current, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(0, evidence_dump(&s, &r, &evidence)) TH_LOG("%s", evidence.ack);
	close(s.fd);
}

/* A slot without a chain; an engine that does not sign; a program that has the client. */
TEST_F(agent, cannot)
{
	static struct evidence evidence;
	struct evidence_request r;
	struct evidence_socket s;
	uint64_t start;
	int fd;

	ASSERT_EQ(0, evidence_open(&s));
	request_begin(&r, "issei0", nonce);
	request_put_u32(&r, ISSEI_EVIDENCE_A_SLOT, 5);
	EXPECT_EQ(-ENXIO, evidence_dump(&s, &r, &evidence));
	EXPECT_NE('\0', evidence.ack[0]);

	request_begin(&r, "issei0", nonce);
	fd = issei_open_connected(0, O_RDWR, SPDM);
	ASSERT_LE(0, fd);
	start = now_ms();
	EXPECT_EQ(-EBUSY, evidence_dump(&s, &r, &evidence));
	EXPECT_GT(PROMPT_MS, now_ms() - start);
	EXPECT_NE('\0', evidence.ack[0]);
	close(fd);

	ASSERT_EQ(0, model_do(0, "{\"cmd\":\"spdm_set\",\"capabilities\":[\"cert\",\"chal\"]}"));
	EXPECT_EQ(-EOPNOTSUPP, evidence_dump(&s, &r, &evidence));
	EXPECT_NE('\0', evidence.ack[0]);
	close(s.fd);
}

/* Without a nonce there is what the agent has, or nothing. */
TEST_F(agent, no_evidence)
{
	static struct evidence evidence;
	struct evidence_request r;
	struct evidence_socket s;

	ASSERT_EQ(0, evidence_open(&s));
	request_begin(&r, "issei0", NULL);
	ASSERT_EQ(0, model_spdm_fault(0, "spdm-signature-flipped", ""));
	ASSERT_EQ(0, spdm_authenticate(0));
	ASSERT_TRUE(spdm_is(0, "state", "failed"));
	EXPECT_EQ(-ENODATA, evidence_dump(&s, &r, &evidence));
	EXPECT_EQ(0, evidence.messages);
	EXPECT_NE('\0', evidence.ack[0]);

	/* a program may ask the engine all the same, under any policy */
	ASSERT_EQ(0, spdm_write(0, "policy", "off"));
	ASSERT_EQ(0, spdm_wait_state(0, "off", PROMPT_MS));
	EXPECT_EQ(-ENODATA, evidence_dump(&s, &r, &evidence));
	request_begin(&r, "issei0", nonce);
	EXPECT_EQ(0, evidence_dump(&s, &r, &evidence)) TH_LOG("%s", evidence.ack);
	EXPECT_EQ(0, strncmp("off: ", evidence.state, 5)) TH_LOG("%s", evidence.state);
	EXPECT_TRUE(spdm_is(0, "state", "off"));
	close(s.fd);
}

TEST_HARNESS_MAIN
