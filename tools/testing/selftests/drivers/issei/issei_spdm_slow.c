// SPDX-License-Identifier: GPL-2.0
/*
 * A responder that is slow or silent: every exchange ends, nothing else waits for it, and
 * whatever happens to the device meanwhile happens at once.
 */
#include <limits.h>

#include "issei_spdm_fixture.h"

#define CONNECT_MS	10000
#define AT_ONCE_MS	2000
#define LOOSE_MS	PROMPT_MS	/* a slow machine */

static int for_ever(void)
{
	return model_spdm_set(0, "'ct_exponent':31");
}

/* The agent waits for a signature that does not come. */
static int stuck_agent(void)
{
	int ret = for_ever();

	if (!ret)
		ret = model_spdm_fault(0, "spdm-silent", "'on':'challenge-auth'");
	if (!ret)
		ret = spdm_write(0, "authenticate", "1");
	if (!ret)
		ret = spdm_wait_state(0, "running", PROMPT_MS);
	sleep_ms(500);
	return ret ?: spdm_is(0, "state", "running") ? 0 : -EALREADY;
}

static int echo_once(void)
{
	int fd = issei_open_connected(0, O_RDWR, ECHO_A);
	int ret = fd < 0 ? fd : issei_echo(fd, 1000, 1);

	if (fd >= 0)
		close(fd);
	return ret;
}

/* T1 for what needs no cryptography, T2 for the rest: with a CTExponent of 0 the same. */
TEST_F_TIMEOUT(agent, silent, 60)
{
	static const struct {
		const char *response;
		const char *request;
		unsigned int ct_exponent;
		unsigned int limit_ms;
	} rows[] = {
		{ "version", "GET_VERSION", 0, 1100 },
		{ "capabilities", "GET_CAPABILITIES", 0, 1100 },
		{ "algorithms", "NEGOTIATE_ALGORITHMS", 0, 1100 },
		{ "digests", "GET_DIGESTS", 0, 1100 },
		{ "certificate", "GET_CERTIFICATE", 0, 1100 },
		{ "challenge-auth", "CHALLENGE", 0, 1100 },
		{ "measurements", "GET_MEASUREMENTS", 20, 2049 },
	};
	char text[SPDM_TEXT], more[64];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t start = now_ms(), took;

		ASSERT_EQ(0, model_spdm_set(0, "'ct_exponent':%u", rows[i].ct_exponent));
		snprintf(more, sizeof(more), "'on':'%s'", rows[i].response);
		ASSERT_EQ(0, model_spdm_fault(0, "spdm-silent", more));
		ASSERT_EQ(0, spdm_authenticate(0));
		took = now_ms() - start;
		EXPECT_LE(rows[i].limit_ms, took) TH_LOG("%s", rows[i].request);
		EXPECT_GT(rows[i].limit_ms + LOOSE_MS, took) TH_LOG("%s", rows[i].request);
		snprintf(more, sizeof(more), "error: %s: no answer in time", rows[i].request);
		ASSERT_EQ(0, spdm_read(0, "state", text, sizeof(text)));
		EXPECT_STREQ(more, text);
		EXPECT_TRUE(spdm_is(0, "fresh", "not checked"));
		EXPECT_FALSE(spdm_is(0, "accepted", "yes"));
	}
	ASSERT_EQ(0, spdm_authenticate(0));
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
}

/* Whatever time the responder asks for: ten seconds, in which all else works. */
TEST_F_TIMEOUT(agent, ten_seconds, 60)
{
	uint64_t start = now_ms(), took, rounds = 0;
	int fd = issei_open_connected(0, O_RDWR, ECHO_B);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, stuck_agent());
	while (spdm_is(0, "state", "running")) {
		uint64_t before = now_ms();

		ASSERT_EQ(0, issei_echo(fd, 4000, rounds++));
		EXPECT_GT(LOOSE_MS, now_ms() - before);
		ASSERT_EQ(0, echo_once());
		ASSERT_GT(SPDM_EXCHANGE_MS + 2 * LOOSE_MS, now_ms() - start);
	}
	took = now_ms() - start;
	EXPECT_LE(SPDM_EXCHANGE_MS, took);
	EXPECT_LT(50, rounds);
	EXPECT_TRUE(spdm_is(0, "state", "error"));
	close(fd);
}

/*
 * Each of many exchanges takes almost as long as it may: sixty seconds in all. Who wants
 * the SPDM client meanwhile waits for ten.
 */
TEST_F_TIMEOUT(agent, sixty_seconds, 120)
{
	int fd = issei_open(0, O_RDWR);
	uint64_t start, before, took;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, for_ever());
	ASSERT_EQ(0, model_spdm_set(0, "'chain_size':60000"));
	ASSERT_EQ(0, model_spdm_fault(0, "spdm-late", "'start':4,'count':0,'value':9000"));
	start = now_ms();
	ASSERT_EQ(0, spdm_write(0, "authenticate", "1"));
	ASSERT_EQ(0, spdm_wait_state(0, "running", PROMPT_MS));

	before = now_ms();
	EXPECT_EQ(-EBUSY, issei_connect(fd, SPDM, NULL));
	took = now_ms() - before;
	EXPECT_LE(CONNECT_MS - 100, took);
	EXPECT_GT(CONNECT_MS + LOOSE_MS, took);
	EXPECT_TRUE(spdm_is(0, "state", "running"));

	ASSERT_EQ(0, issei_wait_agent(0, SPDM_ALL_MS + 2 * LOOSE_MS));
	took = now_ms() - start;
	EXPECT_LE(SPDM_ALL_MS - LOOSE_MS, took);
	EXPECT_GT(SPDM_ALL_MS + LOOSE_MS, took);
	EXPECT_TRUE(spdm_is(0, "state", "error"));
	EXPECT_EQ(0, issei_connect(fd, SPDM, NULL));
	close(fd);
}

/* A response that will be ready in half an hour is not waited for. */
TEST_F(agent, not_ready)
{
	uint64_t start = now_ms();
	char text[SPDM_TEXT];

	ASSERT_EQ(0, model_spdm_fault(0, "spdm-not-ready", "'on':'digests','value':31"));
	ASSERT_EQ(0, spdm_authenticate(0));
	EXPECT_GT(LOOSE_MS, now_ms() - start);
	ASSERT_EQ(0, spdm_read(0, "state", text, sizeof(text)));
	EXPECT_EQ(0, strncmp(text, "error: GET_DIGESTS: would take ", 31)) TH_LOG("%s", text);
}

static void rebind(struct __test_metadata *_metadata, unsigned int pause_ms)
{
	char path[PATH_MAX], device[64];
	uint64_t start;

	ASSERT_EQ(0, issei_pci_name(0, device, sizeof(device)));
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", RUST_DRIVER);
	start = now_ms();
	ASSERT_EQ(0, file_write(path, device));
	EXPECT_GT(AT_ONCE_MS, now_ms() - start);
	EXPECT_EQ(0, issei_count_devices());
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", RUST_DRIVER);
	ASSERT_EQ(0, file_write(path, device));
	sleep_ms(pause_ms);
}

TEST_F(agent, unbind)
{
	ASSERT_EQ(0, stuck_agent());
	rebind(_metadata, 0);
	ASSERT_EQ(0, model_do(0, "{'cmd':'clear_faults'}"));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(0, spdm_wait_state(0, "authenticated", SPDM_SETTLE_MS));
}

/* At any moment of bring-up and of the agent's work. */
TEST_F_TIMEOUT(agent, unbind_any_time, 60)
{
	for (unsigned int i = 0; i < 25; i++)
		rebind(_metadata, i * 15);
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(0, spdm_wait_state(0, "authenticated", SPDM_SETTLE_MS));
}

TEST_F(agent, unload)
{
	uint64_t start;

	ASSERT_EQ(0, stuck_agent());
	start = now_ms();
	ASSERT_EQ(0, driver_unload(RUST_DRIVER));
	EXPECT_GT(AT_ONCE_MS, now_ms() - start);
	ASSERT_EQ(0, model_do(0, "{'cmd':'clear_faults'}"));
	ASSERT_EQ(0, driver_load(RUST_DRIVER));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(0, spdm_wait_state(0, "authenticated", SPDM_SETTLE_MS));
}

/* The device can be used before the agent is through. */
TEST_F(agent, load)
{
	uint64_t start;

	ASSERT_EQ(0, driver_unload(RUST_DRIVER));
	ASSERT_EQ(0, for_ever());
	ASSERT_EQ(0, model_spdm_fault(0, "spdm-silent", "'on':'measurements'"));
	start = now_ms();
	ASSERT_EQ(0, driver_load(RUST_DRIVER));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	EXPECT_EQ(0, echo_once());
	EXPECT_GT(LINK_UP_MS, now_ms() - start);
	EXPECT_TRUE(spdm_is(0, "state", "running"));
	ASSERT_EQ(0, model_do(0, "{'cmd':'clear_faults'}"));
	EXPECT_EQ(0, spdm_reset_link(0));
	EXPECT_EQ(0, spdm_wait_state(0, "authenticated", 0));
}

TEST_F(agent, reset)
{
	uint64_t start;
	char path[PATH_MAX];

	issei_sysfs_path(0, path, sizeof(path), "reset");
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, stuck_agent());
		start = now_ms();
		ASSERT_EQ(0, i ? model_do(0, "{'cmd':'reset_firmware','down_ms':50}") :
				 file_write(path, "1"));
		EXPECT_EQ(0, spdm_wait_state(0, "authenticated", AT_ONCE_MS + LINK_UP_MS));
		EXPECT_GT(LINK_UP_MS, now_ms() - start);
	}
}

/* Sleep does not wait for the responder; afterwards the agent looks again. */
TEST_F_TIMEOUT(agent, suspend, 60)
{
	static const char *const levels[] = { "freezer", "devices", "platform" };
	uint64_t start;

	if (!can_sleep())
		SKIP(return, "the kernel has no pm_test");
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		ASSERT_EQ(0, stuck_agent());
		start = now_ms();
		ASSERT_EQ(0, sleep_test(levels[i])) TH_LOG("%s", levels[i]);
		EXPECT_GT(LINK_UP_MS, now_ms() - start) TH_LOG("%s", levels[i]);
		ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
		EXPECT_EQ(0, spdm_wait_state(0, "authenticated", LINK_UP_MS)) {
			TH_LOG("%s", levels[i]);
		}
	}
}

TEST_HARNESS_MAIN
