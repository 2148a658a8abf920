// SPDX-License-Identifier: GPL-2.0
/* Long chains and messages: how many exchanges, how much memory. */
#include "issei_spdm_fixture.h"

#define CHAIN		61440
#define PORTION		(4096 - 8)	/* of a chain in one CERTIFICATE */
#define SHA384_CHAIN_HEADER	(4 + 48)
#define LIMIT_DEFAULT	1048576
#define LIMIT_MIN	65536

#define NO_CHUNKS	"'capabilities':['cert','chal','meas-sig','meas-fresh']"

static uint8_t expected[SPDM_CHAIN_MAX], found[SPDM_CHAIN_MAX];

/* Messages of one authentication that succeeds. */
static uint64_t exchanges(struct __test_metadata *_metadata)
{
	struct model_counters before, after;

	ASSERT_EQ(0, model_counters(0, &before));
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	ASSERT_EQ(0, spdm_wait_state(0, "authenticated", 0));
	ASSERT_EQ(0, model_counters(0, &after));
	EXPECT_EQ(after.h2f - before.h2f, after.f2h - before.f2h);
	return after.h2f - before.h2f;
}

/* The certificates of @slot are the model's; messages that it takes to read its chain. */
static uint64_t check_slot(struct __test_metadata *_metadata, unsigned int slot)
{
	ssize_t size = model_spdm_chain(0, slot, NULL, expected, sizeof(expected));
	char file[32];

	ASSERT_LT(0, size);
	snprintf(file, sizeof(file), "certificates/slot%u", slot);
	ASSERT_EQ(size, spdm_read_bytes(0, file, found, sizeof(found)));
	EXPECT_EQ(0, memcmp(expected, found, size));
	return (size + SHA384_CHAIN_HEADER + PORTION - 1) / PORTION;
}

/* The newest entry is kept in any case. */
static void expect_bounded(struct __test_metadata *_metadata)
{
	uint64_t entries = spdm_number(0, "log_count") - spdm_number(0, "log_dropped");

	EXPECT_LE(1, entries);
	if (entries > 1)
		EXPECT_GE(spdm_number(0, "memory_limit"), spdm_number(0, "memory_used"));
}

/*
 * VERSION, CAPABILITIES, ALGORITHMS, DIGESTS, CERTIFICATE, CHALLENGE_AUTH, MEASUREMENTS:
 * one for each, and one for each slot beside the one that signs.
 */
TEST_F(agent, exchanges)
{
	ASSERT_EQ(0, model_spdm_set(0, "'slots':[0]"));
	EXPECT_EQ(7, exchanges(_metadata));
	ASSERT_EQ(0, model_spdm_set(0, "'slots':[0,1]"));
	EXPECT_EQ(8, exchanges(_metadata));
}

TEST_F(agent, chain_60k)
{
	uint64_t count, needed;
	ssize_t size;

	ASSERT_EQ(0, model_spdm_set(0, "'slots':[0],'chain_size':61440"));
	count = exchanges(_metadata);
	needed = 6 + check_slot(_metadata, 0);
	EXPECT_LE(needed, count);
	EXPECT_GE(needed + 1, count);
	size = model_spdm_chain(0, 0, NULL, expected, sizeof(expected));
	EXPECT_LT(CHAIN - 1024, size);
	EXPECT_LT(size, spdm_number(0, "memory_used"));
	expect_bounded(_metadata);
}

TEST_F(agent, chain_60k_without_chunks)
{
	uint64_t count;

	ASSERT_EQ(0, model_spdm_set(0, "'slots':[0],'chain_size':61440," NO_CHUNKS));
	count = exchanges(_metadata);
	EXPECT_GE(7 + check_slot(_metadata, 0), count);
}

TEST_F(agent, longest_chain)
{
	ASSERT_EQ(0, model_spdm_set(0, "'slots':[0],'chain_size':65535,'chain_length':16"));
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	ASSERT_EQ(0, spdm_wait_state(0, "authenticated", 0));
	check_slot(_metadata, 0);
	expect_bounded(_metadata);
}

/* As much as there can be: the log makes room, and the chains are there. */
TEST_F_TIMEOUT(agent, all_slots, 90)
{
	ASSERT_EQ(0, model_spdm_set(0, "'slots':[0,1,2,3,4,5,6,7],'chain_size':65535"));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, spdm_authenticate_anew(0));
		ASSERT_EQ(0, spdm_wait_state(0, "authenticated", 0));
		expect_bounded(_metadata);
	}
	for (unsigned int slot = 0; slot < 8; slot++)
		check_slot(_metadata, slot);
	EXPECT_LT(8 * (SPDM_CHAIN_MAX - 1024), spdm_number(0, "memory_used"));
}

/* Less than what the chains take: the newest entry alone stays. */
TEST_F_TIMEOUT(agent, too_much, 60)
{
	ASSERT_EQ(0, spdm_write(0, "memory_limit", "65536"));
	ASSERT_EQ(0, model_spdm_set(0, "'slots':[0,1,2,3,4,5,6,7],'chain_size':65535"));
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	EXPECT_EQ(spdm_number(0, "log_dropped") + 1, spdm_number(0, "log_count"));
	ASSERT_EQ(0, model_spdm_defaults(0));
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
	expect_bounded(_metadata);
	EXPECT_EQ(0, spdm_write(0, "memory_limit", "1048576"));
}

/* MEASUREMENTS in chunks: ten thousand bytes and more. */
TEST_F(agent, measurements_in_chunks)
{
	ASSERT_EQ(0, model_spdm_large_measurement(0, 10, 15000));
	ASSERT_EQ(0, model_spdm_set(0, "'slots':[0]"));
	/* LargeResponse, and four chunks */
	EXPECT_EQ(7 + 4, exchanges(_metadata));
}

/* Without chunks, each measurement in a message of its own. */
TEST_F(agent, measurements_one_by_one)
{
	for (int i = 10; i < 15; i++)
		ASSERT_EQ(0, model_spdm_large_measurement(0, i, 1500));
	ASSERT_EQ(0, model_spdm_set(0, "'slots':[0]," NO_CHUNKS));
	EXPECT_LE(7 + 11 + 5, exchanges(_metadata));
	for (int i = 10; i < 15; i++)
		ASSERT_EQ(0, model_do(0, "{'cmd':'spdm_measurement','index':%d}", i));
}

/* Requests in chunks: the responder takes no more than 42 bytes at a time. */
TEST_F(agent, short_requests)
{
	ASSERT_EQ(0, model_spdm_set(0, "'slots':[0],'data_transfer_size':42"));
	EXPECT_LE(7, exchanges(_metadata));
}

TEST_HARNESS_MAIN
