// SPDX-License-Identifier: GPL-2.0
/* Every version, every signature with every hash that SPDM and the kernel have. */
#include "issei_spdm_fixture.h"

static const char *const versions[] = { "1.0", "1.1", "1.2", "1.3", "1.4" };

static const struct {
	const char *option;
	const char *name;
} asyms[] = {
	{ "rsassa-2048", "RSASSA_2048" }, { "rsassa-3072", "RSASSA_3072" },
	{ "rsassa-4096", "RSASSA_4096" }, { "rsapss-2048", "RSAPSS_2048" },
	{ "rsapss-3072", "RSAPSS_3072" }, { "rsapss-4096", "RSAPSS_4096" },
	{ "ecdsa-p256", "ECDSA_ECC_NIST_P256" }, { "ecdsa-p384", "ECDSA_ECC_NIST_P384" },
	{ "ecdsa-p521", "ECDSA_ECC_NIST_P521" },
};

static const char *const sha2[] = { "sha256", "sha384", "sha512" };
static const char *const sha3[] = { "sha3-256", "sha3-384", "sha3-512" };

static void authenticate(struct __test_metadata *_metadata, const char *version, size_t asym,
			 const char *hash)
{
	char expected[SPDM_TEXT], text[SPDM_TEXT];

	ASSERT_EQ(0, model_spdm_set(0, "'versions':['%s'],'asym':['%s'],'hash':['%s']", version,
				    asyms[asym].option, hash));
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	EXPECT_EQ(0, spdm_wait_state(0, "authenticated", 0)) {
		TH_LOG("SPDM %s, %s, %s", version, asyms[asym].option, hash);
	}
	ASSERT_EQ(0, spdm_read(0, "version", text, sizeof(text)));
	EXPECT_STREQ(version, text);
	snprintf(expected, sizeof(expected), "%s %s %s", asyms[asym].name, hash, hash);
	ASSERT_EQ(0, spdm_read(0, "algorithms", text, sizeof(text)));
	EXPECT_STREQ(expected, text);

	/* and not because nobody looks */
	ASSERT_EQ(0, model_spdm_fault(0, "spdm-signature-flipped", "'value':77"));
	ASSERT_EQ(0, spdm_authenticate(0));
	EXPECT_TRUE(spdm_is(0, "state", "failed")) {
		TH_LOG("SPDM %s, %s, %s", version, asyms[asym].option, hash);
	}
	ASSERT_EQ(0, model_do(0, "{'cmd':'clear_faults'}"));
}

TEST_F_TIMEOUT(agent, sha2, 120)
{
	for (size_t asym = 0; asym < ARRAY_SIZE(asyms); asym++)
		for (size_t hash = 0; hash < ARRAY_SIZE(sha2); hash++)
			authenticate(_metadata, "1.3", asym, sha2[hash]);
}

TEST_F_TIMEOUT(agent, sha3, 120)
{
	if (run("modprobe -q libsha3"))
		SKIP(return, "the kernel has no SHA-3");
	for (size_t asym = 0; asym < ARRAY_SIZE(asyms); asym++)
		authenticate(_metadata, "1.3", asym, sha3[asym % ARRAY_SIZE(sha3)]);
}

TEST_F_TIMEOUT(agent, versions, 120)
{
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		authenticate(_metadata, versions[i], 0, "sha256");
		authenticate(_metadata, versions[i], 4, "sha384");
		authenticate(_metadata, versions[i], 6, "sha256");
	}
}

/* What is measured has a hash of its own. */
TEST_F(agent, measurement_hash)
{
	static const struct {
		const char *option;
		const char *name;
	} rows[] = {
		{ "sha256", "sha256" }, { "sha512", "sha512" }, { "raw", "raw" },
	};
	char expected[SPDM_TEXT], text[SPDM_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_EQ(0, model_spdm_set(0, "'measurement_hash':'%s'",
				      rows[i].option));
		ASSERT_EQ(0, spdm_authenticate_anew(0));
		EXPECT_EQ(0, spdm_wait_state(0, "authenticated", 0)) TH_LOG("%s", rows[i].option);
		snprintf(expected, sizeof(expected), "ECDSA_ECC_NIST_P256 sha384 %s",
			 rows[i].name);
		ASSERT_EQ(0, spdm_read(0, "algorithms", text, sizeof(text)));
		EXPECT_STREQ(expected, text);
	}
}

/* A key pair for each slot, as 1.3 has it. */
TEST_F(agent, multi_key)
{
	ASSERT_EQ(0, model_spdm_set(0, "'capabilities':['cert','chal','meas-sig','multi-key']"));
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	EXPECT_EQ(0, spdm_wait_state(0, "authenticated", 0));
}

TEST_HARNESS_MAIN
