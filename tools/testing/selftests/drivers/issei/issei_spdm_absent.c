// SPDX-License-Identifier: GPL-2.0
/*
 * An engine without an SPDM client (`--model '--no-spdm'`): that is information, not an
 * error. Under `enforce` it is nobody that was accepted.
 */
#include "kselftest_harness.h"
#include "issei_spdm.h"

FIXTURE(absent)
{
	int kmsg;
};

/* From the load of the module on. */
FIXTURE_SETUP(absent)
{
	if (issei_wait_up(0, LINK_UP_MS) == -ENOENT)
		SKIP(return, "no /dev/issei0");
	if (issei_is_c_driver(0))
		SKIP(return, "the C driver has no SPDM");
	if (spdm_client_present(0))
		SKIP(return, "the engine has an SPDM client");
	ASSERT_EQ(0, driver_unload(RUST_DRIVER));
	self->kmsg = kmsg_open();
	ASSERT_LE(0, self->kmsg);
	ASSERT_EQ(0, driver_load(RUST_DRIVER));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
}

FIXTURE_TEARDOWN(absent)
{
	EXPECT_EQ(0, spdm_write(0, "policy", "audit"));
	close(self->kmsg);
}

static int try_connect(void)
{
	int fd = issei_open_connected(0, O_RDWR, ECHO_A);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

TEST_F(absent, state)
{
	static const char *const unknown[] = { "version", "algorithms", "digest" };
	static const char *const verdicts[] = { "fresh", "anchored", "pinned" };
	char text[SPDM_TEXT];

	ASSERT_EQ(0, spdm_wait_state(0, "absent", LINK_UP_MS));
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		EXPECT_EQ(-ENODATA, spdm_read(0, unknown[i], text, sizeof(text)));
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
		EXPECT_TRUE(spdm_is(0, verdicts[i], "not checked")) {
			TH_LOG("%s", verdicts[i]);
		}
	}
	EXPECT_TRUE(spdm_is(0, "accepted", "not checked"));
	EXPECT_EQ(0, try_connect());

	ASSERT_EQ(0, spdm_authenticate(0));
	EXPECT_TRUE(spdm_is(0, "state", "absent"));
	EXPECT_EQ(0, kmsg_count(self->kmsg, "issei", 4)) TH_LOG("a warning in the log");
}

TEST_F(absent, enforce)
{
	ASSERT_EQ(0, spdm_wait_state(0, "absent", LINK_UP_MS));
	ASSERT_EQ(0, spdm_write(0, "policy", "enforce"));
	EXPECT_EQ(-EKEYREJECTED, try_connect());
	EXPECT_EQ(-ENODATA, spdm_write(0, "accepted", "1 " SPDM_NO_DIGEST));
	ASSERT_EQ(0, spdm_write(0, "policy", "audit"));
	EXPECT_EQ(0, try_connect());
}

TEST_HARNESS_MAIN
