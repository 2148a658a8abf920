// SPDX-License-Identifier: GPL-2.0
/*
 * What was accepted is compared after every reset: the same device goes on, another one
 * or a weaker connection is told, and under `enforce` has to be accepted anew.
 */
#include "issei_spdm_fixture.h"

static int try_connect(void)
{
	int fd = issei_open_connected(0, O_RDWR, ECHO_A);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static int remove_measurement(unsigned int index)
{
	return model_do(0, "{'cmd':'spdm_measurement','index':%u}", index);
}

static int firmware_reset(void)
{
	uint64_t before = spdm_number(0, "generation");
	int ret = model_do(0, "{'cmd':'reset_firmware','down_ms':50}");

	return ret ?: spdm_wait_generation(0, before, SPDM_SETTLE_MS);
}

static void expect_same(struct __test_metadata *_metadata)
{
	EXPECT_EQ(0, spdm_wait_state(0, "authenticated", 0));
	EXPECT_TRUE(spdm_is(0, "pinned", "yes"));
	EXPECT_TRUE(spdm_is(0, "accepted", "yes"));
	EXPECT_EQ(0, try_connect());
}

/* Another one: fresh, but no longer what was accepted, and so behind the fence. */
static void expect_changed(struct __test_metadata *_metadata, const char *what)
{
	char text[SPDM_TEXT], state[64];

	ASSERT_EQ(0, spdm_read(0, "state", text, sizeof(text)));
	snprintf(state, sizeof(state), "changed: %s", what);
	EXPECT_STREQ(state, text);
	ASSERT_EQ(0, spdm_read(0, "pinned", text, sizeof(text)));
	EXPECT_EQ(0, strncmp(text, "no: ", 4)) TH_LOG("%s", text);
	EXPECT_NE(NULL, strstr(text, what)) TH_LOG("%s", text);
	EXPECT_TRUE(spdm_is(0, "fresh", "yes"));
	EXPECT_FALSE(spdm_is(0, "accepted", "yes"));
	EXPECT_EQ(-EKEYREJECTED, try_connect());
}

/* The same after a new acceptance, or with what was accepted before. */
static void expect_acceptable(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, spdm_accept(0));
	EXPECT_EQ(0, try_connect());
	ASSERT_EQ(0, spdm_reset_link(0));
	expect_same(_metadata);
}

static void accept_and_enforce(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, spdm_accept(0));
	ASSERT_EQ(0, spdm_write(0, "policy", "enforce"));
	EXPECT_TRUE(spdm_is(0, "pinned", "yes"));
	ASSERT_EQ(0, try_connect());
}

TEST_F(agent, unchanged)
{
	char digest[SPDM_TEXT], text[SPDM_TEXT];

	ASSERT_EQ(0, spdm_read(0, "digest", digest, sizeof(digest)));
	accept_and_enforce(_metadata);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, i & 1 ? spdm_reset_link(0) : firmware_reset());
		expect_same(_metadata);
		ASSERT_EQ(0, spdm_read(0, "digest", text, sizeof(text)));
		EXPECT_STREQ(digest, text);
	}
	ASSERT_EQ(0, spdm_authenticate(0));
	expect_same(_metadata);
}

/* Sleep is as good as a reset: what wakes up may be another one. */
TEST_F(agent, resume)
{
	if (!can_sleep())
		SKIP(return, "the kernel has no pm_test");
	accept_and_enforce(_metadata);
	ASSERT_EQ(0, sleep_test("platform"));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	ASSERT_EQ(0, issei_wait_agent(0, SPDM_SETTLE_MS));
	expect_same(_metadata);

	ASSERT_EQ(0, model_spdm_set(0, "'seed':'0002'"));
	ASSERT_EQ(0, sleep_test("platform"));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	ASSERT_EQ(0, issei_wait_agent(0, SPDM_SETTLE_MS));
	expect_changed(_metadata, "identity");
}

/* Until the agent has looked, what comes up after a reset is nobody that was accepted. */
TEST_F(agent, fence_during_reset)
{
	int fd;

	accept_and_enforce(_metadata);
	ASSERT_EQ(0, model_do(0, "{'cmd':'set','response_latency_us':50000}"));
	ASSERT_EQ(0, model_do(0, "{'cmd':'reset_firmware','down_ms':50}"));
	ASSERT_EQ(0, spdm_wait_state(0, "running", LINK_UP_MS));
	fd = issei_open(0, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EKEYREJECTED, issei_connect(fd, ECHO_A, NULL));
	EXPECT_FALSE(spdm_is(0, "accepted", "yes"));
	ASSERT_EQ(0, issei_wait_agent(0, SPDM_SETTLE_MS));
	expect_same(_metadata);
	EXPECT_EQ(0, issei_connect(fd, ECHO_A, NULL));
	close(fd);
}

TEST_F(agent, measurements)
{
	int events = uevent_open(), fd;
	const char *event;

	ASSERT_LE(0, events);
	accept_and_enforce(_metadata);
	fd = issei_open_connected(0, O_RDWR, ECHO_A);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, model_spdm_measurement(0, 2, 1, "6e6577"));
	ASSERT_EQ(0, firmware_reset());
	expect_changed(_metadata, "measurements");
	do {
		event = uevent_wait(events, "change", "/issei/issei0", PROMPT_MS);
		ASSERT_NE(NULL, event);
	} while (!uevent_has(event, "ISSEI_SPDM=changed"));
	close(events);

	/* as it was: accepted again without a word */
	ASSERT_EQ(0, model_spdm_defaults(0));
	ASSERT_EQ(0, firmware_reset());
	expect_same(_metadata);

	ASSERT_EQ(0, model_spdm_measurement(0, 2, 1, "6e6577"));
	ASSERT_EQ(0, firmware_reset());
	expect_changed(_metadata, "measurements");
	expect_acceptable(_metadata);
	close(fd);
}

/* Without a reset, too: connections that exist are ended. */
TEST_F(agent, measurements_on_request)
{
	int fd;

	accept_and_enforce(_metadata);
	fd = issei_open_connected(0, O_RDWR, ECHO_B);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, model_spdm_measurement(0, 2, 1, "6e6577"));
	EXPECT_EQ(0, issei_echo(fd, 100, 1));
	ASSERT_EQ(0, spdm_authenticate(0));
	expect_changed(_metadata, "measurements");
	EXPECT_EQ(-ENOTCONN, issei_write(fd, "ping", 4));
	close(fd);
}

/* One that comes, one that goes, and one that only moved. */
TEST_F(agent, measurement_set)
{
	accept_and_enforce(_metadata);
	ASSERT_EQ(0, model_spdm_measurement(0, 10, 3, "00"));
	ASSERT_EQ(0, spdm_authenticate(0));
	expect_changed(_metadata, "measurements");
	ASSERT_EQ(0, remove_measurement(10));
	ASSERT_EQ(0, spdm_authenticate(0));
	expect_same(_metadata);

	ASSERT_EQ(0, remove_measurement(2));
	ASSERT_EQ(0, spdm_authenticate(0));
	expect_changed(_metadata, "measurements");
	ASSERT_EQ(0, model_spdm_measurement(0, 10, 1, "6669726d7761726520312e322e332e34"));
	ASSERT_EQ(0, spdm_authenticate(0));
	expect_changed(_metadata, "measurements");
}

TEST_F(agent, identity)
{
	accept_and_enforce(_metadata);
	ASSERT_EQ(0, model_spdm_set(0, "'seed':'0002'"));
	ASSERT_EQ(0, firmware_reset());
	expect_changed(_metadata, "identity");
	ASSERT_EQ(0, model_spdm_set(0, "'seed':'0001'"));
	ASSERT_EQ(0, firmware_reset());
	expect_same(_metadata);

	ASSERT_EQ(0, model_spdm_set(0, "'seed':'0002'"));
	ASSERT_EQ(0, firmware_reset());
	expect_changed(_metadata, "identity");
	expect_acceptable(_metadata);
}

/* With audit the same is said, and nothing is refused. */
TEST_F(agent, identity_audit)
{
	ASSERT_EQ(0, spdm_accept(0));
	ASSERT_EQ(0, model_spdm_set(0, "'seed':'0002'"));
	ASSERT_EQ(0, firmware_reset());
	EXPECT_TRUE(spdm_is(0, "state", "changed"));
	EXPECT_TRUE(spdm_is(0, "pinned", "no"));
	EXPECT_FALSE(spdm_is(0, "accepted", "yes"));
	EXPECT_EQ(0, try_connect());
}

/* Another vendor certifies the same key: the identity is the device's certificate. */
TEST_F(agent, other_root)
{
	accept_and_enforce(_metadata);
	ASSERT_EQ(0, model_spdm_fault(0, "spdm-chain-other-root", "'count':0"));
	ASSERT_EQ(0, firmware_reset());
	expect_changed(_metadata, "identity");
}

/* New firmware makes itself a new certificate; the device's above it stays. */
TEST_F(agent, alias)
{
	ASSERT_EQ(0, model_spdm_set(0, "'chain_length':4"));
	ASSERT_EQ(0, model_spdm_set(0, "'capabilities':['cert','chal','meas-sig','alias-cert']"));
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	ASSERT_TRUE(spdm_is(0, "state", "authenticated"));
	accept_and_enforce(_metadata);
	ASSERT_EQ(0, firmware_reset());
	expect_same(_metadata);

	ASSERT_EQ(0, model_spdm_measurement(0, 2, 1, "6e6577"));
	ASSERT_EQ(0, firmware_reset());
	expect_changed(_metadata, "measurements");
	expect_acceptable(_metadata);

	ASSERT_EQ(0, model_spdm_set(0, "'seed':'0002'"));
	ASSERT_EQ(0, firmware_reset());
	expect_changed(_metadata, "identity");
}

/* What is weaker than what was accepted is neither offered nor taken. */
static void expect_refused(struct __test_metadata *_metadata, const char *state)
{
	char text[SPDM_TEXT];

	ASSERT_EQ(0, firmware_reset());
	ASSERT_EQ(0, spdm_read(0, "state", text, sizeof(text)));
	EXPECT_EQ(0, strncmp(text, state, strlen(state))) TH_LOG("%s: %s", state, text);
	EXPECT_FALSE(spdm_is(0, "pinned", "yes"));
	EXPECT_FALSE(spdm_is(0, "accepted", "yes"));
	EXPECT_FALSE(spdm_is(0, "fresh", "yes"));
	EXPECT_EQ(-EKEYREJECTED, try_connect());
	ASSERT_EQ(0, model_spdm_defaults(0));
	ASSERT_EQ(0, firmware_reset());
	expect_same(_metadata);
}

TEST_F_TIMEOUT(agent, downgrade, 60)
{
	static const char *const settings[][2] = {
		{ "'versions':['1.0','1.1','1.2']",
		  "failed: VERSION: VersionNumberEntry: 0x12 is weaker" },
		{ "'versions':['1.0']",
		  "failed: VERSION: VersionNumberEntry: 0x10 is weaker" },
		{ "'asym':['rsassa-2048']",
		  "error: NEGOTIATE_ALGORITHMS: the responder answered InvalidRequest" },
		{ "'hash':['sha256']",
		  "error: NEGOTIATE_ALGORITHMS: the responder answered InvalidRequest" },
		{ "'measurement_hash':'sha256'",
		  "failed: ALGORITHMS: MeasurementHashAlgo: 0x80 is weaker" },
		{ "'capabilities':['cert']",
		  "failed: ALGORITHMS: MeasurementHashAlgo: 0x0 is weaker" },
		{ "'capabilities':['cert','meas']", "unsupported: " },
	};
	static const char *const faults[][3] = {
		{ "spdm-algorithms-asym", "'value':1",
		  "failed: ALGORITHMS: BaseAsymAlgo: 0x1 was not offered" },
		{ "spdm-algorithms-hash", "'value':1",
		  "failed: ALGORITHMS: BaseHashAlgo: 0x1 was not offered" },
		{ "spdm-version-only", "'value':4608",
		  "failed: VERSION: VersionNumberEntry: 0x12 is weaker" },
	};

	accept_and_enforce(_metadata);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		ASSERT_EQ(0, model_spdm_set(0, settings[i][0]));
		expect_refused(_metadata, settings[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		ASSERT_EQ(0, model_spdm_fault(0, faults[i][0], faults[i][1]));
		expect_refused(_metadata, faults[i][2]);
	}
}

/* What is stronger is not what was accepted either. */
TEST_F(agent, other_algorithms)
{
	ASSERT_EQ(0, model_spdm_set(0, "'measurement_hash':'sha384'"));
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	accept_and_enforce(_metadata);
	ASSERT_EQ(0, model_spdm_set(0, "'hash':['sha512']"));
	ASSERT_EQ(0, firmware_reset());
	expect_changed(_metadata, "algorithms");
	expect_acceptable(_metadata);
}

/* Informational measurements come and go as they like. */
TEST_F(agent, informational)
{
	accept_and_enforce(_metadata);
	ASSERT_EQ(0, model_spdm_measurement(0, 10, 9, "00"));
	ASSERT_EQ(0, spdm_authenticate(0));
	expect_same(_metadata);
}

/* Without an acceptance, what was seen first is compared. */
TEST_F(agent, seen_first)
{
	EXPECT_TRUE(spdm_is(0, "pinned", "not checked"));
	ASSERT_EQ(0, firmware_reset());
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
	EXPECT_TRUE(spdm_is(0, "pinned", "yes"));
	EXPECT_TRUE(spdm_is(0, "accepted", "not checked"));
	ASSERT_EQ(0, model_spdm_measurement(0, 2, 1, "6e6577"));
	ASSERT_EQ(0, firmware_reset());
	EXPECT_TRUE(spdm_is(0, "state", "changed"));
	EXPECT_TRUE(spdm_is(0, "pinned", "no"));
	EXPECT_TRUE(spdm_is(0, "accepted", "not checked"));
	EXPECT_EQ(0, try_connect());
}

/* Withdrawn, nothing is pinned, and a weaker connection can be accepted. */
TEST_F(agent, withdrawn)
{
	accept_and_enforce(_metadata);
	ASSERT_EQ(0, spdm_write(0, "accepted", "none"));
	EXPECT_TRUE(spdm_is(0, "pinned", "not checked"));
	ASSERT_EQ(0, model_spdm_set(0, "'versions':['1.1'],'hash':['sha256']"));
	ASSERT_EQ(0, firmware_reset());
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
	EXPECT_TRUE(spdm_is(0, "version", "1.1"));
	EXPECT_EQ(-EKEYREJECTED, try_connect());
	expect_acceptable(_metadata);
}

TEST_HARNESS_MAIN
