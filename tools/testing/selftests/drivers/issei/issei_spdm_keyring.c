// SPDX-License-Identifier: GPL-2.0
/* The keyring `.issei`: roots that an administrator trusts. */
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "issei_spdm_fixture.h"

static uint8_t chain[SPDM_CHAIN_MAX];

static int add(const void *der, size_t len)
{
	long ret = syscall(SYS_add_key, "asymmetric", "", der, len, spdm_ring());

	return ret < 0 ? -errno : ret;
}

/* Certificate @number of the chain in @slot; its length is der_length(). */
static const uint8_t *certificate(struct __test_metadata *_metadata, unsigned int slot,
				  const char *asym, int number)
{
	ssize_t size = model_spdm_chain(0, slot, asym, chain, sizeof(chain)), at = 0;

	ASSERT_LT(0, size);
	while (number--)
		at += der_length(chain + at, size - at);
	ASSERT_LT(0, der_length(chain + at, size - at));
	return chain + at;
}

static int add_certificate(struct __test_metadata *_metadata, unsigned int slot,
				  const char *asym, int number)
{
	const uint8_t *der = certificate(_metadata, slot, asym, number);

	return add(der, der_length(der, chain + sizeof(chain) - der));
}

static void expect_anchored(struct __test_metadata *_metadata, const char *word)
{
	char text[SPDM_TEXT];

	ASSERT_EQ(0, spdm_authenticate_anew(0));
	ASSERT_EQ(0, spdm_wait_state(0, "authenticated", 0));
	ASSERT_EQ(0, spdm_read(0, "anchored", text, sizeof(text)));
	EXPECT_TRUE(spdm_is(0, "anchored", word)) TH_LOG("'%s' instead of %s", text, word);
	EXPECT_TRUE(spdm_is(0, "fresh", "yes"));
}

TEST_F(agent, root)
{
	expect_anchored(_metadata, "not checked");
	ASSERT_LT(0, add_certificate(_metadata, 0, NULL, 0));
	expect_anchored(_metadata, "yes");
	ASSERT_EQ(0, spdm_clear_ring());
	expect_anchored(_metadata, "not checked");
}

/* The root as users get it: the first certificate of the file in sysfs. */
TEST_F(agent, root_of_sysfs)
{
	ssize_t size = spdm_read_bytes(0, "certificates/slot0", chain, sizeof(chain));

	ASSERT_LT(0, size);
	ASSERT_LT(0, add(chain, der_length(chain, size)));
	expect_anchored(_metadata, "yes");
}

TEST_F(agent, other_root)
{
	ASSERT_LT(0, add_certificate(_metadata, 0, "ecdsa-p384", 0));
	expect_anchored(_metadata, "no");
	ASSERT_LT(0, add_certificate(_metadata, 0, NULL, 0));
	expect_anchored(_metadata, "yes");
}

/* Neither the device's own key nor one that only may sign below the root is a root. */
TEST_F(agent, end_entity)
{
	ASSERT_LT(0, add_certificate(_metadata, 0, NULL, 2));
	expect_anchored(_metadata, "no");
}

TEST_F(agent, authority)
{
	ASSERT_LT(0, add_certificate(_metadata, 0, NULL, 1));
	expect_anchored(_metadata, "no");
}

/* A chain may leave its root out; the ring has it. */
TEST_F(agent, omitted_root)
{
	const uint8_t *der = certificate(_metadata, 0, NULL, 0);
	static uint8_t root[SPDM_CHAIN_MAX];
	size_t len = der_length(der, chain + sizeof(chain) - der);

	memcpy(root, der, len);
	ASSERT_EQ(0, model_spdm_set(0, "'omit_root':true"));
	expect_anchored(_metadata, "not checked");
	ASSERT_LT(0, add(root, len));
	expect_anchored(_metadata, "yes");
}

/* Another root with the name of the right one. */
TEST_F(agent, omitted_other_root)
{
	ASSERT_LT(0, add_certificate(_metadata, 0, "ecdsa-p384", 0));
	ASSERT_EQ(0, model_spdm_set(0, "'omit_root':true"));
	expect_anchored(_metadata, "no");
}

TEST_F(agent, chain_to_other_root)
{
	ASSERT_LT(0, add_certificate(_metadata, 0, NULL, 0));
	expect_anchored(_metadata, "yes");
	ASSERT_EQ(0, model_spdm_fault(0, "spdm-chain-other-root", ""));
	expect_anchored(_metadata, "no");
	expect_anchored(_metadata, "yes");
}

TEST_F(agent, rsa)
{
	ASSERT_EQ(0, model_spdm_set(0, "'asym':['rsassa-3072']"));
	ASSERT_LT(0, add_certificate(_metadata, 0, NULL, 0));
	expect_anchored(_metadata, "yes");
}

TEST_F(agent, garbage)
{
	static const uint8_t zeros[100];
	const uint8_t *der = certificate(_metadata, 0, NULL, 0);
	size_t len = der_length(der, chain + sizeof(chain) - der);

	EXPECT_EQ(-EBADMSG, add("garbage", 7));
	EXPECT_EQ(-EBADMSG, add(zeros, sizeof(zeros)));
	EXPECT_GT(0, add(der, len - 1));
	EXPECT_GT(0, add(der, 10));
	EXPECT_EQ(-EINVAL, add("", 0));
	expect_anchored(_metadata, "not checked");

	/* the ring takes keys of any type; only certificates count */
	EXPECT_LT(0, syscall(SYS_add_key, "user", "issei", "data", 4, spdm_ring()));
	expect_anchored(_metadata, "not checked");
	EXPECT_LT(0, add(der, len));
	expect_anchored(_metadata, "yes");
}

TEST_F(agent, unprivileged)
{
	const uint8_t *der = certificate(_metadata, 0, NULL, 0);
	int serial = spdm_ring();
	int status;
	pid_t pid = fork();

	if (!pid) {
		size_t len = der_length(der, chain + sizeof(chain) - der);

		if (setgid(65534) || setuid(65534))
			_exit(1);
		if (syscall(SYS_add_key, "asymmetric", "", der, len, serial) >= 0 ||
		    errno != EACCES)
			_exit(2);
		if (!syscall(SYS_keyctl, KEYCTL_CLEAR, serial) || errno != EACCES)
			_exit(3);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* A ring that somebody revoked anchors nothing, and nothing breaks. */
TEST_F(agent, revoked_ring)
{
	ASSERT_LT(0, add_certificate(_metadata, 0, NULL, 0));
	ASSERT_EQ(0, syscall(SYS_keyctl, KEYCTL_REVOKE, spdm_ring()));
	expect_anchored(_metadata, "not checked");

	/* the next load of the module makes another */
	ASSERT_EQ(0, driver_unload(RUST_DRIVER));
	EXPECT_GT(0, spdm_ring());
	ASSERT_EQ(0, driver_load(RUST_DRIVER));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
	ASSERT_LT(0, spdm_ring());
	ASSERT_LT(0, add_certificate(_metadata, 0, NULL, 0));
	expect_anchored(_metadata, "yes");
}

TEST_HARNESS_MAIN
