// SPDX-License-Identifier: GPL-2.0
/*
 * Evidence by netlink: what it consists of, what is refused, and what happens while a
 * dump runs.
 */
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "issei_spdm_fixture.h"
#include "issei_evidence.h"

#define NOBODY_UID	65534
#define CHAINS		(1 << ISSEI_EVIDENCE_TYPE_CERT0 | 1 << ISSEI_EVIDENCE_TYPE_CERT1)
#define MESSAGES	(1 << ISSEI_EVIDENCE_TYPE_VCA | 1 << ISSEI_EVIDENCE_TYPE_MEASUREMENTS)
#define SHA384_SIZE	48
#define CHAIN_HEADER	4	/* in front of the root's hash */
#define DONE		99	/* a child ended as it should: no errno */

static struct evidence evidence, other;

static void draw(uint8_t nonce[NONCE_SIZE])
{
	if (getrandom(nonce, NONCE_SIZE, 0) != NONCE_SIZE)
		abort();
}

/* One dump on a socket of its own: what it ended with. */
static int dump(const struct evidence_request *r, struct evidence *e)
{
	struct evidence_socket s;
	int ret = evidence_open(&s);

	if (ret)
		return ret;
	ret = evidence_dump(&s, r, e);
	close(s.fd);
	return ret;
}

static int dump_fresh(struct evidence *e, uint8_t nonce[NONCE_SIZE])
{
	struct evidence_request r;

	draw(nonce);
	request_begin(&r, "issei0", nonce);
	return dump(&r, e);
}

/* GET_MEASUREMENTS comes first: version, code, two parameters, nonce. */
static bool has_nonce(const struct evidence *e, const uint8_t nonce[NONCE_SIZE])
{
	const struct evidence_object *object = &e->object[ISSEI_EVIDENCE_TYPE_MEASUREMENTS];

	return object->len > 4 + NONCE_SIZE && object->data[1] == 0xe0 &&
	       !memcmp(object->data + 4, nonce, NONCE_SIZE);
}

static bool is_complete(const struct evidence *e)
{
	for (int i = 0; i < EVIDENCE_TYPES; i++)
		if (e->object[i].len != e->object[i].length)
			return false;
	return true;
}

/* A child that dumps with a nonce, and ends with DONE, or with the errno of the dump. */
static pid_t dump_in_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		uint8_t nonce[NONCE_SIZE];
		int ret = dump_fresh(&evidence, nonce);

		_exit(ret ? -ret : has_nonce(&evidence, nonce) ? DONE : EBADMSG);
	}
	return pid;
}

static int child_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* The engine says that it needs longer, and does not answer: for ten seconds. */
static int silence(void)
{
	int ret = model_do(0, "{\"cmd\":\"spdm_set\",\"ct_exponent\":31}");

	return ret ?: model_spdm_fault(0, "spdm-silent", "\"on\":\"measurements\"");
}

TEST_F(agent, with_nonce)
{
	const struct evidence_object *vca = &evidence.object[ISSEI_EVIDENCE_TYPE_VCA];
	uint64_t generation = spdm_number(0, "generation");
	uint8_t nonce[NONCE_SIZE];

	ASSERT_EQ(0, dump_fresh(&evidence, nonce)) TH_LOG("%s", evidence.ack);
	EXPECT_EQ(CHAINS | MESSAGES, evidence.types);
	EXPECT_TRUE(is_complete(&evidence));
	EXPECT_TRUE(has_nonce(&evidence, nonce));
	EXPECT_STREQ("authenticated", evidence.state);
	EXPECT_STREQ("", evidence.why);
	EXPECT_STREQ("", evidence.ack);
	EXPECT_EQ(0, evidence.slot);

	/* from GET_VERSION, to ALGORITHMS of 1.3 with no extensions */
	EXPECT_EQ(0, memcmp(vca->data, "\x10\x84\0\0\x10\x04", 6));
	EXPECT_LT(36, vca->len);
	EXPECT_EQ(0, memcmp(vca->data + vca->len - 36, "\x13\x63", 2));

	/* no verdict comes of a nonce that is not the kernel's */
	EXPECT_EQ(generation, evidence.generation);
	EXPECT_EQ(generation, spdm_number(0, "generation"));
}

TEST_F(agent, slot)
{
	uint8_t nonce[NONCE_SIZE];
	struct evidence_request r;

	draw(nonce);
	request_begin(&r, "issei0", nonce);
	request_put_u32(&r, ISSEI_EVIDENCE_A_SLOT, 1);
	ASSERT_EQ(0, dump(&r, &evidence));
	EXPECT_EQ(1, evidence.slot);
	EXPECT_TRUE(has_nonce(&evidence, nonce));
	/* the last byte of GET_MEASUREMENTS */
	EXPECT_EQ(1, evidence.object[ISSEI_EVIDENCE_TYPE_MEASUREMENTS].data[4 + NONCE_SIZE]);
}

/* What the agent has: the same as in sysfs, and the same again. */
TEST_F(agent, without_nonce)
{
	const struct evidence_object *vca = &evidence.object[ISSEI_EVIDENCE_TYPE_VCA];
	const struct evidence_object *measurements =
		&evidence.object[ISSEI_EVIDENCE_TYPE_MEASUREMENTS];
	uint64_t last = spdm_number(0, "log_count") - 1;
	static uint8_t bytes[SPDM_CHAIN_MAX];
	struct evidence_request r;
	char file[64];
	ssize_t len;

	request_begin(&r, "issei0", NULL);
	ASSERT_EQ(0, dump(&r, &evidence));
	EXPECT_EQ(CHAINS | MESSAGES, evidence.types);
	EXPECT_TRUE(is_complete(&evidence));
	EXPECT_EQ(spdm_number(0, "generation"), evidence.generation);
	EXPECT_STREQ("authenticated", evidence.state);

	for (int slot = 0; slot < 2; slot++) {
		const struct evidence_object *chain = &evidence.object[slot];
		size_t header = CHAIN_HEADER + SHA384_SIZE;

		snprintf(file, sizeof(file), "certificates/slot%d", slot);
		len = spdm_read_bytes(0, file, bytes, sizeof(bytes));
		ASSERT_EQ(chain->len - header, len);
		EXPECT_EQ(0, memcmp(chain->data + header, bytes, len));
		EXPECT_EQ(chain->len, chain->data[0] | chain->data[1] << 8);
	}

	/* the log has it as what was signed, and the signature */
	snprintf(file, sizeof(file), "signatures/%llu_transcript", (unsigned long long)last);
	len = spdm_read_bytes(0, file, bytes, sizeof(bytes));
	ASSERT_LT(vca->len, len);
	EXPECT_EQ(0, memcmp(vca->data, bytes, vca->len));
	ASSERT_EQ(vca->len + measurements->len - SPDM_SIGNATURE, len);
	EXPECT_EQ(0, memcmp(measurements->data, bytes + vca->len, len - vca->len));
	snprintf(file, sizeof(file), "signatures/%llu_signature", (unsigned long long)last);
	ASSERT_EQ(SPDM_SIGNATURE, spdm_read_bytes(0, file, bytes, sizeof(bytes)));
	EXPECT_EQ(0, memcmp(measurements->data + len - vca->len, bytes, SPDM_SIGNATURE));

	ASSERT_EQ(0, dump(&r, &other));
	EXPECT_EQ(0, memcmp(&evidence, &other, sizeof(evidence)));
}

/* One message for each object, with its length as it would be. */
TEST_F(agent, digests)
{
	struct evidence_request r;

	request_begin(&r, "issei0", NULL);
	ASSERT_EQ(0, dump(&r, &evidence));
	request_put_u32(&r, ISSEI_EVIDENCE_A_FLAGS, ISSEI_EVIDENCE_FLAG_DIGEST);
	ASSERT_EQ(0, dump(&r, &other));
	EXPECT_EQ(CHAINS | MESSAGES, other.types);
	EXPECT_EQ(5, other.messages);
	for (int i = 0; i < EVIDENCE_TYPES; i++) {
		if (!(other.types & 1 << i))
			continue;
		EXPECT_EQ(ISSEI_EVIDENCE_HASH_ALGO_SHA384, other.object[i].hash_algo);
		EXPECT_EQ(SHA384_SIZE, other.object[i].len);
		EXPECT_EQ(evidence.object[i].len, other.object[i].length);
	}
}

TEST_F(agent, type_mask)
{
	static const uint32_t masks[] = {
		0, 1 << ISSEI_EVIDENCE_TYPE_CERT1, 1 << ISSEI_EVIDENCE_TYPE_CERT7, MESSAGES,
		(1 << EVIDENCE_TYPES) - 1,
	};
	struct evidence_request r;

	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		request_begin(&r, "issei0", NULL);
		request_put_u32(&r, ISSEI_EVIDENCE_A_TYPE_MASK, masks[i]);
		ASSERT_EQ(0, dump(&r, &evidence));
		EXPECT_EQ(masks[i] & (CHAINS | MESSAGES), evidence.types);
		EXPECT_TRUE(is_complete(&evidence));
	}
}

/* Many fragments, in many parts of a dump. */
TEST_F(agent, large)
{
	uint8_t nonce[NONCE_SIZE];

	ASSERT_EQ(0, model_do(0, "{\"cmd\":\"spdm_set\",\"chain_size\":60000}"));
	ASSERT_EQ(0, dump_fresh(&evidence, nonce)) TH_LOG("%s", evidence.ack);
	EXPECT_EQ(CHAINS | MESSAGES, evidence.types);
	EXPECT_TRUE(is_complete(&evidence));
	EXPECT_LE(59000, evidence.object[0].len);
	EXPECT_LE(2 * (59000 / FRAGMENT_SIZE), evidence.messages);
	EXPECT_TRUE(has_nonce(&evidence, nonce));
}

/* A chain of several kilobytes waits to be read when the socket is closed. */
TEST_F(agent, closed)
{
	struct evidence_socket s;
	struct evidence_request r;
	uint8_t nonce[NONCE_SIZE];
	char message[8192];

	ASSERT_EQ(0, model_do(0, "{\"cmd\":\"spdm_set\",\"chain_size\":60000}"));
	draw(nonce);
	request_begin(&r, "issei0", nonce);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, evidence_open(&s));
		ASSERT_EQ(0, evidence_send(&s, &r, ISSEI_EVIDENCE_CMD_READ, NLM_F_DUMP));
		for (int j = 0; j < i; j++)
			ASSERT_LT(0, recv(s.fd, message, sizeof(message), 0));
		close(s.fd);
	}
	EXPECT_EQ(0, dump(&r, &evidence));
	ASSERT_EQ(0, model_spdm_defaults(0));
	ASSERT_EQ(0, driver_unload(RUST_DRIVER));
	EXPECT_EQ(-ENOENT, evidence_open(&s));
	ASSERT_EQ(0, driver_load(RUST_DRIVER));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
}

/* Without rights: as nobody. */
TEST_F(agent, unprivileged)
{
	struct evidence_request r;
	struct evidence_socket s;
	pid_t pid;

	request_begin(&r, "issei0", NULL);
	pid = fork();
	if (!pid)
		_exit(setuid(NOBODY_UID) ? DONE : -dump(&r, &evidence));
	EXPECT_EQ(EPERM, child_status(pid));

	pid = fork();
	if (!pid)
		_exit(setuid(NOBODY_UID) || evidence_open(&s) ? DONE : -evidence_subscribe(&s));
	EXPECT_EQ(EPERM, child_status(pid));
}

/* As root of a namespace of its own. */
TEST_F(agent, root_of_a_namespace)
{
	struct evidence_request r;
	struct evidence_socket s;
	pid_t pid;

	if (access("/proc/self/ns/user", F_OK))
		SKIP(return, "the kernel has no user namespaces");
	request_begin(&r, "issei0", NULL);
	pid = fork();
	if (!pid)
		_exit(unshare(CLONE_NEWUSER) ? DONE : -dump(&r, &evidence));
	EXPECT_EQ(EPERM, child_status(pid));

	pid = fork();
	if (!pid)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) ? DONE : -evidence_open(&s));
	EXPECT_EQ(ENOENT, child_status(pid));
}

/* Several at the same time: each gets its own. */
TEST_F(agent, two_sockets)
{
	struct evidence_socket s[2];
	struct evidence_request r[2];
	uint8_t nonce[2][NONCE_SIZE];
	pid_t pid[4];

	/* the second one asks before the first one has read anything */
	for (int i = 0; i < 2; i++) {
		draw(nonce[i]);
		request_begin(&r[i], "issei0", nonce[i]);
		ASSERT_EQ(0, evidence_open(&s[i]));
		ASSERT_EQ(0, evidence_send(&s[i], &r[i], ISSEI_EVIDENCE_CMD_READ, NLM_F_DUMP));
	}
	for (int i = 1; i >= 0; i--) {
		ASSERT_EQ(0, evidence_receive(&s[i], &evidence));
		EXPECT_TRUE(is_complete(&evidence));
		EXPECT_TRUE(has_nonce(&evidence, nonce[i]));
		close(s[i].fd);
	}

	ASSERT_EQ(0, model_do(0, "{\"cmd\":\"set\",\"response_latency_us\":20000}"));
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++)
		pid[i] = dump_in_child();
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++)
		EXPECT_EQ(DONE, child_status(pid[i]));
}

/* Sixteen wait, the others are told so. */
TEST_F_TIMEOUT(agent, too_many, 120)
{
	int done = 0, busy = 0;
	pid_t pid[24];

	ASSERT_EQ(0, model_do(0, "{\"cmd\":\"set\",\"response_latency_us\":30000}"));
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++)
		pid[i] = dump_in_child();
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		int status = child_status(pid[i]);

		done += status == DONE;
		busy += status == EBUSY;
	}
	EXPECT_EQ(ARRAY_SIZE(pid), done + busy);
	EXPECT_LE(16, done);
	EXPECT_LE(1, busy);
}

static pid_t hanging_dump(void)
{
	pid_t pid = dump_in_child();

	sleep_ms(500);
	return waitpid(pid, NULL, WNOHANG) ? -1 : pid;
}

/* A program that waits for a silent engine can be killed; the next one is served. */
TEST_F_TIMEOUT(agent, killed, 60)
{
	uint64_t start;
	int status;
	pid_t pid;

	ASSERT_EQ(0, silence());
	pid = hanging_dump();
	ASSERT_LT(0, pid);
	start = now_ms();
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_GT(PROMPT_MS, now_ms() - start);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(DONE, child_status(dump_in_child()));
}

/* While a dump runs the module is in use, and the family is there. */
TEST_F_TIMEOUT(agent, unload, 60)
{
	struct evidence_request r;
	pid_t pid;

	ASSERT_EQ(0, silence());
	pid = hanging_dump();
	ASSERT_LT(0, pid);
	EXPECT_EQ(-EBUSY, driver_unload(RUST_DRIVER));

	/* nobody else waits for it */
	request_begin(&r, "issei0", NULL);
	EXPECT_EQ(0, dump(&r, &evidence));
	EXPECT_EQ(ETIMEDOUT, child_status(pid));
	ASSERT_EQ(0, driver_unload(RUST_DRIVER));
	ASSERT_EQ(0, driver_load(RUST_DRIVER));
	ASSERT_EQ(0, wait_for_file("/dev/issei0", true, PROMPT_MS));
}

TEST_F(agent, unbind)
{
	char path[PATH_MAX], device[64];
	uint64_t start;
	pid_t pid;

	ASSERT_EQ(0, silence());
	pid = hanging_dump();
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, issei_pci_name(0, device, sizeof(device)));
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", RUST_DRIVER);
	start = now_ms();
	ASSERT_EQ(0, file_write(path, device));
	EXPECT_EQ(ENODEV, child_status(pid));
	EXPECT_GT(2 * PROMPT_MS, now_ms() - start);
	EXPECT_EQ(ENODEV, child_status(dump_in_child()));
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", RUST_DRIVER);
	ASSERT_EQ(0, file_write(path, device));
	ASSERT_EQ(0, issei_wait_up(0, LINK_UP_MS));
}

TEST_F(agent, reset)
{
	uint64_t start;
	pid_t pid;

	ASSERT_EQ(0, silence());
	pid = hanging_dump();
	ASSERT_LT(0, pid);
	start = now_ms();
	ASSERT_EQ(0, model_do(0, "{\"cmd\":\"reset_firmware\",\"down_ms\":200}"));
	EXPECT_EQ(EAGAIN, child_status(pid));
	EXPECT_GT(2 * PROMPT_MS, now_ms() - start);
	ASSERT_EQ(0, spdm_wait_state(0, "authenticated", LINK_UP_MS));
	EXPECT_EQ(DONE, child_status(dump_in_child()));
}

/* A program that waits in a dump could not be frozen: it is let go first. */
TEST_F_TIMEOUT(agent, suspend, 60)
{
	uint64_t start;
	pid_t pid;

	if (!can_sleep())
		SKIP(return, "the kernel has no pm_test");
	ASSERT_EQ(0, silence());
	pid = hanging_dump();
	ASSERT_LT(0, pid);
	start = now_ms();
	ASSERT_EQ(0, sleep_test("freezer"));
	EXPECT_GT(LINK_UP_MS, now_ms() - start);
	EXPECT_EQ(EAGAIN, child_status(pid));
	ASSERT_EQ(0, spdm_wait_state(0, "authenticated", LINK_UP_MS));
	EXPECT_EQ(DONE, child_status(dump_in_child()));
}

TEST_F(agent, result)
{
	uint64_t generation = spdm_number(0, "generation");
	uint8_t digest[SHA256_SIZE], nonce[NONCE_SIZE];
	struct evidence_socket listener;
	struct evidence_result result;
	char line[SPDM_TEXT];

	ASSERT_EQ(0, evidence_open(&listener));
	ASSERT_EQ(0, evidence_subscribe(&listener));
	ASSERT_EQ(0, spdm_write(0, "authenticate", "1"));
	/* that of the fixture may come late */
	do {
		ASSERT_EQ(0, evidence_wait_result(&listener, &result, SPDM_SETTLE_MS));
	} while (result.generation == generation);
	EXPECT_STREQ("issei0", result.device);
	EXPECT_STREQ("authenticated", result.state);
	EXPECT_EQ(generation + 1, result.generation);
	EXPECT_EQ(ISSEI_EVIDENCE_VERDICT_YES, result.fresh);
	EXPECT_EQ(ISSEI_EVIDENCE_VERDICT_NOT_CHECKED, result.anchored);
	EXPECT_EQ(ISSEI_EVIDENCE_VERDICT_YES, result.pinned);
	EXPECT_EQ(spdm_number(0, "log_count"), result.log_count);
	ASSERT_EQ(0, spdm_read(0, "log_head", line, sizeof(line)));
	ASSERT_EQ(SHA256_SIZE, hex_decode(line, digest, sizeof(digest)));
	EXPECT_EQ(0, memcmp(digest, result.log_head, SHA256_SIZE));
	ASSERT_EQ(0, spdm_read(0, "digest", line, sizeof(line)));
	ASSERT_EQ(SHA256_SIZE, hex_decode(line + strlen("sha256:"), digest, sizeof(digest)));
	ASSERT_TRUE(result.has_digest);
	EXPECT_EQ(0, memcmp(digest, result.digest, SHA256_SIZE));

	ASSERT_EQ(0, spdm_accept(0));
	ASSERT_EQ(0, evidence_wait_result(&listener, &result, PROMPT_MS));
	EXPECT_EQ(ISSEI_EVIDENCE_VERDICT_YES, result.accepted);

	ASSERT_EQ(0, model_spdm_fault(0, "spdm-signature-flipped", ""));
	ASSERT_EQ(0, spdm_write(0, "authenticate", "1"));
	ASSERT_EQ(0, evidence_wait_result(&listener, &result, SPDM_SETTLE_MS));
	EXPECT_EQ(0, strncmp("failed: ", result.state, 8)) TH_LOG("%s", result.state);
	EXPECT_EQ(ISSEI_EVIDENCE_VERDICT_NO, result.fresh);
	EXPECT_NE(ISSEI_EVIDENCE_VERDICT_YES, result.accepted);
	EXPECT_FALSE(result.has_digest);

	/* evidence for a program is no result */
	ASSERT_EQ(0, dump_fresh(&evidence, nonce));
	EXPECT_EQ(-ETIMEDOUT, evidence_wait_result(&listener, &result, 200));
	close(listener.fd);
}

TEST_HARNESS_MAIN
