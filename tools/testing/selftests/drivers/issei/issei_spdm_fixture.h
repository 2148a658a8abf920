/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fixture of the tests of SPDM in the kernel: the device model with its default
 * settings, policy `audit`, no root in the keyring, nothing accepted, and a device that
 * was authenticated, and seen for the first time.
 */
#ifndef ISSEI_SPDM_FIXTURE_H
#define ISSEI_SPDM_FIXTURE_H

#include "kselftest_harness.h"
#include "issei_spdm.h"

FIXTURE(agent)
{
};

FIXTURE_SETUP(agent)
{
	if (issei_wait_up(0, LINK_UP_MS) == -ENOENT)
		SKIP(return, "no /dev/issei0");
	if (!model_present(0))
		SKIP(return, "no control port of the device model");
	if (issei_is_c_driver(0))
		SKIP(return, "the C driver has no SPDM");
	ASSERT_EQ(0, model_defaults(0));
	ASSERT_EQ(0, model_spdm_defaults(0));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS)) TH_LOG("issei0: the link is not up");
	ASSERT_TRUE(spdm_present(0)) TH_LOG("no issei0/spdm in sysfs");
	ASSERT_EQ(0, spdm_clear_ring());
	ASSERT_EQ(0, spdm_write(0, "policy", "audit"));
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	ASSERT_EQ(0, spdm_wait_state(0, "authenticated", 0));
}

FIXTURE_TEARDOWN(agent)
{
	EXPECT_EQ(0, model_defaults(0));
	EXPECT_EQ(0, model_spdm_defaults(0));
	EXPECT_EQ(0, spdm_clear_ring());
	EXPECT_EQ(0, spdm_write(0, "policy", "audit"));
	EXPECT_EQ(0, spdm_write(0, "accepted", "none"));
}

#endif /* ISSEI_SPDM_FIXTURE_H */
