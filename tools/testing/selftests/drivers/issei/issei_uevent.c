// SPDX-License-Identifier: GPL-2.0
/* Kernel events: firmware clients that come, the link that goes and comes. */
#include <limits.h>

#define NEEDS_MODEL true
#include "issei_fixture.h"

static int clients_in_sysfs(void)
{
	char path[PATH_MAX];

	issei_sysfs_path(0, path, sizeof(path), "fw_clients");
	return run("exit $(ls %s | wc -l)", path);
}

TEST_F(issei, clients_added)
{
	int events = uevent_open();
	int count = clients_in_sysfs();

	ASSERT_LE(0, events);
	ASSERT_LT(0, count);
	ASSERT_EQ(0, model_do(0, "{\"cmd\":\"reset_firmware\",\"down_ms\":100}"));
	for (int i = 0; i < count; i++) {
		const char *event = uevent_wait(events, "add", "/issei0/fw_clients/", LINK_UP_MS);

		ASSERT_NE(NULL, event) TH_LOG("%d of %d clients", i, count);
		EXPECT_TRUE(uevent_has(event, "ACTION=add"));
		EXPECT_TRUE(uevent_has(event, "SUBSYSTEM=fw_clients")) TH_LOG("%s", event);
	}
	EXPECT_EQ(NULL, uevent_wait(events, "add", "/issei0/fw_clients/", 100));
	close(events);
}

/* The next event of the link; others of the device are none of this. */
static const char *link_event(int events, int timeout_ms)
{
	const char *event;

	do {
		event = uevent_wait(events, "change", "/issei/issei0", timeout_ms);
	} while (event && !strstr(event, "ISSEI_LINK="));
	return event;
}

TEST_F(issei, link_down_and_up)
{
	int events = uevent_open();
	const char *event;

	ASSERT_LE(0, events);
	ASSERT_EQ(0, model_do(0, "{\"cmd\":\"reset_firmware\",\"down_ms\":10}"));
	event = link_event(events, 1000);
	if (self->c_driver) {
		EXPECT_EQ(NULL, event);
		C_DRIVER_DIFFERS("uevent-link");
		close(events);
		return;
	}
	ASSERT_NE(NULL, event);
	EXPECT_TRUE(uevent_has(event, "ISSEI_LINK=down")) TH_LOG("%s", event);
	event = link_event(events, LINK_UP_MS);
	ASSERT_NE(NULL, event);
	EXPECT_TRUE(uevent_has(event, "ISSEI_LINK=up")) TH_LOG("%s", event);
	EXPECT_TRUE(uevent_has(event, "DEVNAME=issei0")) TH_LOG("%s", event);

	/* when the event says up, a connect works */
	EXPECT_EQ(0, issei_connect(self->fd, ECHO_A, NULL));
	close(events);
}

TEST_HARNESS_MAIN
