// SPDX-License-Identifier: GPL-2.0
/*
 * Everything that the model's responder can do wrong: what the agent says of it, and
 * that it authenticates again when it is over.
 */
#include "issei_spdm_fixture.h"

#define FAULTS_SIZE	65536
#define WAIT_MS		(2 * PROMPT_MS)	/* an exchange that needs no signature, and a reserve */

#define FAILED(message)		"failed: " message
#define CANNOT(message)		"error: " message
#define FINE			"authenticated"
#define CERTIFICATE(what)	FAILED("CERTIFICATE: CertChain: certificate " what)
#define NOT_SIGNED		FAILED("CHALLENGE_AUTH: Signature: wrong signature")
#define NOT_THE_SUM		FAILED("MEASUREMENTS: MeasurementSummaryHash: differs")

/* Small numbers, which the slowest machine verifies fast; and other ways of working. */
#define PLAIN	"'asym':['rsassa-2048'],'hash':['sha256']"
#define V12	PLAIN ",'versions':['1.2']"
#define V14	PLAIN ",'versions':['1.4']"
#define ECDSA	"'asym':['ecdsa-p256'],'hash':['sha256']"
#define LONG	PLAIN ",'chain_size':12000"
#define SHORT	PLAIN ",'data_transfer_size':42"
#define CHUNKS	PLAIN ",'max_message_size':73727"	/* and a measurement of 10,000 bytes */

#define FOR_EVER	"'count':0"
#define ON(response)	"'on':'" response "'"
#define VALUE(value)	"'value':" #value

static const struct row {
	const char *name;
	const char *arguments;
	const char *state;	/* begins with this */
	const char *settings;
} rows[] = {
	{ "spdm-silent", "", CANNOT("GET_VERSION: no answer in time"), PLAIN },
	{ "spdm-late", VALUE(1500), CANNOT("GET_VERSION: no answer in time"), PLAIN },
	{ "spdm-busy", "", FINE, PLAIN },
	{ "spdm-busy", FOR_EVER, CANNOT("GET_VERSION: not answered after 20 retries"), PLAIN },
	{ "spdm-error", "", CANNOT("GET_VERSION: the responder answered Unspecified"), PLAIN },
	{ "spdm-error", ON("measurements"),
	  CANNOT("GET_MEASUREMENTS: the responder answered Unspecified"), PLAIN },
	{ "spdm-resynch", ON("digests"), FINE, PLAIN },
	{ "spdm-resynch", ON("digests") "," FOR_EVER,
	  CANNOT("GET_DIGESTS: the responder answered RequestResynch"), PLAIN },
	{ "spdm-not-ready", ON("digests"), FINE, PLAIN },
	{ "spdm-not-ready", ON("measurements") "," FOR_EVER,
	  CANNOT("GET_MEASUREMENTS: not answered after 20 retries"), PLAIN },
	{ "spdm-not-ready", "", CANNOT("GET_VERSION: the responder answered ResponseNotReady"),
	  PLAIN },
	{ "spdm-not-ready-code", "", FAILED("ERROR: ExtendedErrorData: 0x84 is not allowed"), PLAIN },
	{ "spdm-not-ready-rdtm", "", FAILED("ERROR: ExtendedErrorData: 1 is below 2"), PLAIN },
	{ "spdm-not-ready-short", "", FAILED("ERROR: ExtendedErrorData: message of 7 bytes"),
	  PLAIN },
	{ "spdm-wrong-version", "", FAILED("VERSION: SPDMVersion: 0x1f is not allowed"), PLAIN },
	{ "spdm-wrong-version", ON("challenge-auth"), FAILED("CHALLENGE_AUTH: SPDMVersion: "),
	  PLAIN },
	{ "spdm-wrong-code", "", FAILED("VERSION: RequestResponseCode: 0x7e is not allowed"),
	  PLAIN },
	{ "spdm-flipped", "", FAILED("VERSION: RequestResponseCode: 0x5 is not allowed"), PLAIN },
	{ "spdm-short", "", FAILED("VERSION: VersionNumberEntry: message of 13 bytes"), PLAIN },
	{ "spdm-short", ON("measurements"), FAILED("MEASUREMENTS: Signature: message of"), PLAIN },
	{ "spdm-truncated", "", FAILED("VERSION: message of 0 bytes ends before byte 4"), PLAIN },
	{ "spdm-truncated", ON("algorithms") "," VALUE(20), FAILED("ALGORITHMS: "), PLAIN },
	{ "spdm-long", "", FAILED("VERSION: 15 bytes instead of 14"), PLAIN },
	{ "spdm-long", ON("certificate"), FAILED("CERTIFICATE: "), PLAIN },
	{ "spdm-replayed", ON("challenge-auth"),
	  FAILED("CHALLENGE_AUTH: RequesterContext: differs"), PLAIN },
	{ "spdm-replayed", ON("measurements"), FAILED("MEASUREMENTS: RequesterContext: differs"),
	  PLAIN },
	{ "spdm-replayed", ON("challenge-auth"), NOT_SIGNED, V12 },
	{ "spdm-replayed", ON("measurements"), FAILED("MEASUREMENTS: Signature: wrong signature"),
	  V12 },

	{ "spdm-version-none", "", FAILED("VERSION: VersionNumberEntry: missing"), PLAIN },
	{ "spdm-version-only", "", FINE, PLAIN },
	{ "spdm-version-only", VALUE(8192),
	  FAILED("VERSION: VersionNumberEntry: nothing in common"), PLAIN },
	{ "spdm-version-count", "", FAILED("VERSION: VersionNumberEntry: message of 14"), PLAIN },

	{ "spdm-capabilities-flags", "", FAILED("CAPABILITIES: MaxSPDMmsgSize: differs"), PLAIN },
	{ "spdm-capabilities-flags", VALUE(62), FAILED("CAPABILITIES: Flags: 0x3e contradicts"),
	  PLAIN },
	{ "spdm-capabilities-exponent", "", FAILED("CAPABILITIES: CTExponent: 32 is above 31"),
	  PLAIN },
	{ "spdm-capabilities-transfer", "", FAILED("CAPABILITIES: DataTransferSize: 41 is below"),
	  PLAIN },
	{ "spdm-capabilities-message", "", FAILED("CAPABILITIES: MaxSPDMmsgSize: 41 is below"),
	  PLAIN },
	{ "spdm-capabilities-unasked", "", FAILED("CAPABILITIES: Param1: 0x1 is not allowed"),
	  PLAIN },
	{ "spdm-capabilities-no-block", "", FINE, PLAIN },	/* nobody asks for it */

	{ "spdm-algorithms-asym", "", FAILED("ALGORITHMS: BaseAsymAlgo: 0x90 does not"), PLAIN },
	{ "spdm-algorithms-asym", VALUE(0), FAILED("ALGORITHMS: BaseAsymAlgo: 0x0 does not"),
	  PLAIN },
	{ "spdm-algorithms-asym", VALUE(512), FAILED("ALGORITHMS: BaseAsymAlgo: 0x200 was not"),
	  PLAIN },
	{ "spdm-algorithms-hash", "", FAILED("ALGORITHMS: BaseHashAlgo: 0x3 does not"), PLAIN },
	{ "spdm-algorithms-measurement-hash", "",
	  FAILED("ALGORITHMS: MeasurementHashAlgo: 0x6 does not select"), PLAIN },
	{ "spdm-algorithms-specification", "",
	  FAILED("ALGORITHMS: MeasurementSpecification: 0x2 was not offered"), PLAIN },
	{ "spdm-algorithms-other", "", FAILED("ALGORITHMS: OtherParams: 0x1 was not offered"),
	  PLAIN },
	{ "spdm-algorithms-post-quantum", "", FINE, PLAIN },	/* reserved */
	{ "spdm-algorithms-post-quantum", "",
	  FAILED("ALGORITHMS: PqcAsymAlgo: 0x1 was not offered"), V14 },
	{ "spdm-algorithms-extended", "", FAILED("ALGORITHMS: ExtAlg: 0x1 was not offered"),
	  PLAIN },
	{ "spdm-algorithms-table", "", FINE, PLAIN },	/* there is none */
	{ "spdm-algorithms-unasked", "", FAILED("ALGORITHMS: AlgStruct: 0x5 was not offered"),
	  PLAIN },
	{ "spdm-algorithms-length", "", FAILED("ALGORITHMS: Length: 65535 bytes instead"), PLAIN },

	{ "spdm-digests-mask", "", FAILED("DIGESTS: SupportedSlotMask: 0xff contradicts"), PLAIN },
	{ "spdm-digests-mask", VALUE(0), FAILED("DIGESTS: SlotMask: missing"), PLAIN },
	{ "spdm-digests-mask", "", FAILED("DIGESTS: Digest: message of"), V12 },
	{ "spdm-digests-supported", "", FAILED("DIGESTS: SupportedSlotMask: 0x3 contradicts"),
	  PLAIN },
	{ "spdm-digests-wrong", "", FAILED("CERTIFICATE: Digest: differs"), PLAIN },

	{ "spdm-certificate-slot", "", FAILED("CERTIFICATE: SlotID: differs"), PLAIN },
	{ "spdm-certificate-portion", "", FAILED("CERTIFICATE: CertChain: message of"), PLAIN },
	{ "spdm-certificate-remainder", "", CANNOT("CERTIFICATE: CertChain: needs"), PLAIN },
	{ "spdm-certificate-remainder", VALUE(20), FAILED("CERTIFICATE: RemainderLength: differs"),
	  LONG },
	{ "spdm-certificate-more", "", FAILED("CERTIFICATE: PortionLength: "), LONG },
	{ "spdm-certificate-empty", "", FAILED("CERTIFICATE: PortionLength: 0x0 is not allowed"),
	  PLAIN },
	{ "spdm-certificate-changed", "", FAILED("CERTIFICATE: Digest: differs"), PLAIN },

	{ "spdm-chain-length", "", FAILED("CERTIFICATE: Length: 65535 bytes instead"), PLAIN },
	{ "spdm-chain-reserved", "", FINE, PLAIN },
	{ "spdm-chain-root-hash", "", FAILED("CERTIFICATE: RootHash: differs"), PLAIN },
	{ "spdm-chain-broken", "", CERTIFICATE("1: signature: wrong signature"), PLAIN },
	{ "spdm-chain-broken", VALUE(0), CERTIFICATE("0: signature: wrong signature"), PLAIN },
	{ "spdm-chain-broken", VALUE(2), CERTIFICATE("2: signature: wrong signature"), ECDSA },
	{ "spdm-chain-end-entity", "", CERTIFICATE("1: signs another certificate, but is no"),
	  PLAIN },
	{ "spdm-chain-no-cert-sign", "", CERTIFICATE("1: signs another certificate, but lacks"),
	  PLAIN },
	{ "spdm-chain-leaf-authority", "", CERTIFICATE("2: is the leaf, but a certificate"),
	  PLAIN },
	{ "spdm-chain-leaf-usage", "", CERTIFICATE("2: is the leaf, but lacks digitalSignature"),
	  PLAIN },
	{ "spdm-chain-sha1", "", CERTIFICATE("1: signed with an algorithm that is too weak"),
	  PLAIN },
	{ "spdm-chain-sha1", "", CERTIFICATE("1: signed with an algorithm that is too weak"),
	  ECDSA },
	{ "spdm-chain-rsa1024", "", CERTIFICATE("1: key too short"), PLAIN },
	{ "spdm-chain-expired", "", FINE, PLAIN },	/* the kernel does not trust its clock */
	{ "spdm-chain-other-root", "", FINE, PLAIN },	/* whom to trust is another question */
	{ "spdm-chain-other-key", "", NOT_SIGNED, PLAIN },
	{ "spdm-chain-other-algorithm", "", CERTIFICATE("2: key does not fit"), PLAIN },
	{ "spdm-chain-reversed", "", CERTIFICATE("0: signs another certificate, but is no"),
	  PLAIN },
	{ "spdm-chain-trailing", "", CERTIFICATE("2: signs another certificate, but is no"),
	  PLAIN },
	{ "spdm-chain-cut", "", CERTIFICATE("2: not an X.509 certificate"), PLAIN },
	{ "spdm-chain-empty", "", FAILED("CERTIFICATE: CertChain: missing"), PLAIN },

	{ "spdm-challenge-slot", "", FAILED("CHALLENGE_AUTH: SlotID: differs"), PLAIN },
	{ "spdm-challenge-mask", "", FAILED("CHALLENGE_AUTH: SlotMask: differs"), PLAIN },
	{ "spdm-challenge-chain-hash", "", FAILED("CHALLENGE_AUTH: CertChainHash: differs"),
	  PLAIN },
	/* measurements may change between the two messages, but not time and again */
	{ "spdm-challenge-summary", "", FINE, PLAIN },
	{ "spdm-challenge-summary", FOR_EVER, NOT_THE_SUM, PLAIN },
	{ "spdm-challenge-context", "", FAILED("CHALLENGE_AUTH: RequesterContext: differs"),
	  PLAIN },
	{ "spdm-challenge-opaque", "", FAILED("CHALLENGE_AUTH: OpaqueDataLength: 1025 is above"),
	  PLAIN },
	{ "spdm-challenge-opaque", VALUE(1024), FINE, PLAIN },
	{ "spdm-challenge-opaque-length", "", FAILED("CHALLENGE_AUTH: OpaqueData: message of"),
	  PLAIN },

	{ "spdm-measurements-total", "", FINE, PLAIN },	/* nobody asks for it */
	{ "spdm-measurements-count", "", FAILED("MEASUREMENTS: MeasurementBlock: message of"),
	  PLAIN },
	{ "spdm-measurements-count", VALUE(0), FAILED("MEASUREMENTS: MeasurementRecordLength: "),
	  PLAIN },
	{ "spdm-measurements-length", "", FAILED("MEASUREMENTS: MeasurementRecordLength: message"),
	  PLAIN },
	{ "spdm-measurements-slot", "", FAILED("MEASUREMENTS: SlotID: differs"), PLAIN },
	{ "spdm-measurements-changed", VALUE(3), FAILED("MEASUREMENTS: content changed: 0x3"),
	  PLAIN },
	{ "spdm-measurements-missing", "", FINE, PLAIN },
	{ "spdm-measurements-missing", FOR_EVER, NOT_THE_SUM, PLAIN },
	{ "spdm-measurements-twice", "", FAILED("MEASUREMENTS: MeasurementIndex: 0x1 occurs twice"),
	  PLAIN },
	{ "spdm-measurements-reversed", "", FINE, PLAIN },
	{ "spdm-measurements-index", FOR_EVER, NOT_THE_SUM, PLAIN },
	{ "spdm-measurements-index", VALUE(0), FAILED("MEASUREMENTS: MeasurementIndex: 0x0 is not"),
	  PLAIN },
	{ "spdm-measurements-specification", "",
	  FAILED("MEASUREMENTS: MeasurementSpecification: 0x2 was not offered"), PLAIN },
	{ "spdm-measurements-block-size", "", FAILED("MEASUREMENTS: MeasurementBlock: message of"),
	  PLAIN },
	{ "spdm-measurements-type", FOR_EVER, NOT_THE_SUM, PLAIN },
	{ "spdm-measurements-value-size", "", FAILED("MEASUREMENTS: MeasurementBlock: "), PLAIN },
	{ "spdm-measurements-value", FOR_EVER, NOT_THE_SUM, PLAIN },
	{ "spdm-measurements-context", "", FAILED("MEASUREMENTS: RequesterContext: differs"),
	  PLAIN },
	{ "spdm-measurements-opaque", "", FAILED("MEASUREMENTS: OpaqueDataLength: 1025 is above"),
	  PLAIN },
	{ "spdm-measurements-opaque-length", "", FAILED("MEASUREMENTS: OpaqueData: message of"),
	  PLAIN },

	{ "spdm-signature-flipped", "", NOT_SIGNED, PLAIN },
	{ "spdm-signature-flipped", "", NOT_SIGNED, ECDSA },
	{ "spdm-signature-flipped", "'start':2",
	  FAILED("MEASUREMENTS: Signature: wrong signature"), PLAIN },
	{ "spdm-signature-zero", "", NOT_SIGNED, PLAIN },
	{ "spdm-signature-zero", "", NOT_SIGNED, ECDSA },
	{ "spdm-signature-reversed", "", NOT_SIGNED, PLAIN },
	{ "spdm-signature-reversed", "", NOT_SIGNED, ECDSA },
	{ "spdm-signature-key", "", NOT_SIGNED, PLAIN },
	{ "spdm-signature-transcript", "", NOT_SIGNED, PLAIN },
	{ "spdm-signature-context", "", NOT_SIGNED, PLAIN },
	{ "spdm-signature-version", "", NOT_SIGNED, PLAIN },
	{ "spdm-signature-bare", "", NOT_SIGNED, PLAIN },

	/* only the first has the length of the whole: with another number it is too long */
	{ "spdm-chunk-sequence", "", FAILED("CHUNK_RESPONSE: 4096 bytes instead of 4092"), CHUNKS },
	{ "spdm-chunk-sequence", "'start':2", FAILED("CHUNK_RESPONSE: ChunkSeqNo: differs"),
	  CHUNKS },
	{ "spdm-chunk-handle", "", FAILED("CHUNK_RESPONSE: Handle: differs"), CHUNKS },
	{ "spdm-chunk-size", "", FAILED("CHUNK_RESPONSE: ChunkSize: message of"), CHUNKS },
	{ "spdm-chunk-large-size", "", FAILED("CHUNK_RESPONSE: LargeMessageSize: 4294967295 is"),
	  CHUNKS },
	{ "spdm-chunk-short", "", FAILED("CHUNK_RESPONSE: ChunkSize: "), CHUNKS },
	{ "spdm-chunk-last-early", "", FAILED("CHUNK_RESPONSE: LargeMessageSize: "), CHUNKS },
	{ "spdm-chunk-last-never", FOR_EVER, FAILED("CHUNK_RESPONSE: "), CHUNKS },
	{ "spdm-ack-sequence", "", FAILED("CHUNK_SEND_ACK: ChunkSeqNo: differs"), SHORT },
	{ "spdm-ack-handle", "", FAILED("CHUNK_SEND_ACK: Handle: differs"), SHORT },
	{ "spdm-ack-early-error", "", CANNOT("CHALLENGE: the responder answered InvalidRequest"),
	  SHORT },
};

/* Tested on their own, below. */
static const char *const apart[] = { "spdm-duplicated" };

static int set(const char *settings)
{
	int ret = model_spdm_defaults(0);

	if (!ret)
		ret = model_spdm_set(0, settings);
	if (!ret && !strcmp(settings, CHUNKS))
		ret = model_spdm_large_measurement(0, 10, 10000);
	return ret;
}

static void check_row(struct __test_metadata *_metadata, const struct row *row)
{
	char text[SPDM_TEXT];
	uint64_t start;

	ASSERT_EQ(0, model_spdm_fault(0, row->name, row->arguments));
	if (!strncmp(row->name, "spdm-not-ready-", 15))
		ASSERT_EQ(0, model_spdm_fault(0, "spdm-not-ready", ON("digests")));
	start = now_ms();
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	EXPECT_GT(WAIT_MS + PROMPT_MS, now_ms() - start) TH_LOG("%s: slow", row->name);
	ASSERT_EQ(0, spdm_read(0, "state", text, sizeof(text)));
	EXPECT_EQ(0, strncmp(row->state, text, strlen(row->state))) {
		TH_LOG("%s %s: '%s' instead of '%s'", row->name, row->arguments, text, row->state);
	}
	EXPECT_TRUE(spdm_is(0, "fresh", !strcmp(row->state, FINE) ? "yes" :
					*row->state == 'f' ? "no" : "not checked")) {
		TH_LOG("%s", row->name);
	}
	ASSERT_EQ(0, model_do(0, "{'cmd':'clear_faults'}"));
}

/* The rows with these settings; after each there is nothing left of it. */
static void check_rows(struct __test_metadata *_metadata, const char *settings)
{
	int count = 0;

	ASSERT_EQ(0, set(settings));
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].settings, settings))
			continue;
		check_row(_metadata, &rows[i]);
		ASSERT_EQ(0, spdm_authenticate_anew(0));
		ASSERT_EQ(0, spdm_wait_state(0, "authenticated", 0)) {
			TH_LOG("after %s %s", rows[i].name, rows[i].arguments);
		}
		count++;
	}
	EXPECT_LT(0, count);
}

TEST_F_TIMEOUT(agent, plain, 120)
{
	check_rows(_metadata, PLAIN);
}

TEST_F_TIMEOUT(agent, ecdsa, 60)
{
	check_rows(_metadata, ECDSA);
}

TEST_F_TIMEOUT(agent, version_1_2, 60)
{
	check_rows(_metadata, V12);
}

TEST_F_TIMEOUT(agent, version_1_4, 60)
{
	check_rows(_metadata, V14);
}

TEST_F_TIMEOUT(agent, long_chain, 60)
{
	check_rows(_metadata, LONG);
}

TEST_F_TIMEOUT(agent, long_responses, 60)
{
	check_rows(_metadata, CHUNKS);
}

TEST_F_TIMEOUT(agent, long_requests, 60)
{
	check_rows(_metadata, SHORT);
}

/*
 * The second copy may come before the first was read, which ends the connection; before
 * the next request, and is nothing then; or after it, and is the wrong answer. It is never
 * taken for the right one.
 */
TEST_F(agent, duplicated)
{
	static const char *const on[] = { "version", "digests", "challenge-auth", "measurements" };
	char text[SPDM_TEXT], arguments[64];

	ASSERT_EQ(0, set(PLAIN));
	for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
		snprintf(arguments, sizeof(arguments), "'on':'%s'", on[i]);
		ASSERT_EQ(0, model_spdm_fault(0, apart[0], arguments));
		ASSERT_EQ(0, spdm_authenticate_anew(0));
		ASSERT_EQ(0, spdm_read(0, "state", text, sizeof(text)));
		EXPECT_TRUE(!strcmp(text, FINE) || strstr(text, ": SPDMVersion: ") ||
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

	ASSERT_EQ(0, set(PLAIN));
	for (int bytes = 0; bytes < 14; bytes++) {
		snprintf(arguments, sizeof(arguments), "'value':%d", bytes);
		ASSERT_EQ(0, model_spdm_fault(0, "spdm-truncated", arguments));
		ASSERT_EQ(0, spdm_authenticate_anew(0));
		EXPECT_TRUE(spdm_is(0, "state", "failed")) TH_LOG("%d bytes", bytes);
	}
	ASSERT_EQ(0, spdm_authenticate_anew(0));
	EXPECT_TRUE(spdm_is(0, "state", "authenticated"));
}

static bool is_tested(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strlen(rows[i].name) == len && !strncmp(rows[i].name, name, len))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(apart); i++)
		if (strlen(apart[i]) == len && !strncmp(apart[i], name, len))
			return true;
	return false;
}

TEST_F(agent, every_fault_has_a_row)
{
	static char answer[FAULTS_SIZE];
	int count = 0;

	ASSERT_EQ(0, model_ask(0, answer, sizeof(answer), "{'cmd':'faults'}"));
	for (const char *at = answer; (at = strstr(at, "\"name\":\"spdm-"));) {
		at += strlen("\"name\":\"");
		EXPECT_TRUE(is_tested(at, strcspn(at, "\""))) {
			TH_LOG("no row for %.*s", (int)strcspn(at, "\""), at);
		}
		count++;
	}
	EXPECT_LT(100, count);
}

TEST_HARNESS_MAIN
