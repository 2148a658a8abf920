/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fixture of most tests: an open file of a device whose link is up, and whose driver
 * is through with what it does by itself. Where the device model stands behind it, its
 * settings are the default ones before and after each test. NEEDS_MODEL, defined by the
 * includer, skips the tests without a model.
 */
#ifndef ISSEI_FIXTURE_H
#define ISSEI_FIXTURE_H

#include "kselftest_harness.h"
#include "issei_util.h"

FIXTURE(issei)
{
	int fd;
	bool c_driver;
	bool model;
};

FIXTURE_SETUP(issei)
{
	int up = issei_wait_up(0, LINK_UP_MS);

	if (up == -ENOENT)
		SKIP(return, "no /dev/issei0");
	self->model = model_present(0);
	if (NEEDS_MODEL && !self->model)
		SKIP(return, "no control port of the device model");
	if (self->model)
		ASSERT_EQ(0, model_defaults(0));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS)) TH_LOG("issei0: the link is not up");
	ASSERT_EQ(0, issei_wait_agent(0, LINK_UP_MS)) TH_LOG("issei0: SPDM takes long");
	self->c_driver = issei_is_c_driver(0);
	self->fd = issei_open(0, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(issei)
{
	close(self->fd);
	if (self->model)
		EXPECT_EQ(0, model_defaults(0));
}

#endif /* ISSEI_FIXTURE_H */
