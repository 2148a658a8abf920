// SPDX-License-Identifier: GPL-2.0
/*
 * What the model's responder does wrong in ways that one row of the fault matrix
 * (tools/testing/faults) is not enough for.
 */
#include "issei_spdm_fixture.h"

/* Small numbers, which the slowest machine verifies fast. */
#define PLAIN	"'asym':['rsassa-2048'],'hash':['sha256']"

/*
 * The second copy may come before the first was read, which ends the connection; before
 * the next request, and is nothing then; or after it, and is the wrong answer. It is never
 * taken for the right one.
 */
TEST_F(agent, duplicated)
{
	static const char *const on[] = { "version", "digests", "challenge-auth", "measurements" };
	char text[SPDM_TEXT], arguments[64];

	ASSERT_EQ(0, model_spdm_defaults(0));
	ASSERT_EQ(0, model_spdm_set(0, PLAIN));
	for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
		snprintf(arguments, sizeof(arguments), "'on':'%s'", on[i]);
		ASSERT_EQ(0, model_spdm_fault(0, "spdm-duplicated", arguments));
		ASSERT_EQ(0, spdm_authenticate_anew(0));
		ASSERT_EQ(0, spdm_read(0, "state", text, sizeof(text)));
		EXPECT_TRUE(!strcmp(text, "authenticated") || strstr(text, ": SPDMVersion: ") ||
			    strstr(text, ": RequestResponseCode: ") ||
			    strstr(text, ": the connection was lost")) {
			TH_LOG("on %s: %s", on[i], text);
		}
		ASSERT_EQ(0, model_do(0, "{'cmd':'clear_faults'}"));
		ASSERT_EQ(0, spdm_authenticate(0));
		ASSERT_EQ(0, spdm_wait_state(0, "authenticated", 0));
	}
}

/* VERSION cut at every byte, and every bit of it flipped, is never a success by chance. */
TEST_F_TIMEOUT(agent, cut_anywhere, 60)
{
	char arguments[64];

	ASSERT_EQ(0, model_spdm_defaults(0));
	ASSERT_EQ(0, model_spdm_set(0, PLAIN));
	for (int bytes = 0; bytes < 14; bytes++) {
		snprintf(arguments, sizeof(arguments), "'value':%d", bytes);
		ASSERT_EQ(0, model_spdm_fault(0, "spdm-truncated", arguments));
		ASSERT_EQ(0, spdm_authenticate_anew(0));
		EXPECT_TRUE(spdm_is(0, "state", "failed")) TH_LOG("%d bytes", bytes);
	}
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
}

TEST_HARNESS_MAIN
