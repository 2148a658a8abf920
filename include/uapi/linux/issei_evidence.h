/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/issei-evidence.yaml */
/* YNL-GEN uapi header */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#ifndef _UAPI_LINUX_ISSEI_EVIDENCE_H
#define _UAPI_LINUX_ISSEI_EVIDENCE_H

#define ISSEI_EVIDENCE_FAMILY_NAME	"issei-evidence"
#define ISSEI_EVIDENCE_FAMILY_VERSION	1

/**
 * enum issei_evidence_type - Types of evidence objects.
 * @ISSEI_EVIDENCE_TYPE_CERT0: Certificate chain of slot 0, with the SPDM
 *   header of certificate chains (length and root hash) in front of the
 *   certificates.
 * @ISSEI_EVIDENCE_TYPE_CERT1: Certificate chain of slot 1.
 * @ISSEI_EVIDENCE_TYPE_CERT2: Certificate chain of slot 2.
 * @ISSEI_EVIDENCE_TYPE_CERT3: Certificate chain of slot 3.
 * @ISSEI_EVIDENCE_TYPE_CERT4: Certificate chain of slot 4.
 * @ISSEI_EVIDENCE_TYPE_CERT5: Certificate chain of slot 5.
 * @ISSEI_EVIDENCE_TYPE_CERT6: Certificate chain of slot 6.
 * @ISSEI_EVIDENCE_TYPE_CERT7: Certificate chain of slot 7.
 * @ISSEI_EVIDENCE_TYPE_VCA: The messages from GET_VERSION to ALGORITHMS.
 * @ISSEI_EVIDENCE_TYPE_MEASUREMENTS: The messages from GET_MEASUREMENTS to
 *   MEASUREMENTS, with the signature at the end. There are several pairs of
 *   messages if the record was read in parts.
 */
enum issei_evidence_type {
	ISSEI_EVIDENCE_TYPE_CERT0,
	ISSEI_EVIDENCE_TYPE_CERT1,
	ISSEI_EVIDENCE_TYPE_CERT2,
	ISSEI_EVIDENCE_TYPE_CERT3,
	ISSEI_EVIDENCE_TYPE_CERT4,
	ISSEI_EVIDENCE_TYPE_CERT5,
	ISSEI_EVIDENCE_TYPE_CERT6,
	ISSEI_EVIDENCE_TYPE_CERT7,
	ISSEI_EVIDENCE_TYPE_VCA,
	ISSEI_EVIDENCE_TYPE_MEASUREMENTS,
};

/**
 * enum issei_evidence_flag - Flags of a request.
 * @ISSEI_EVIDENCE_FLAG_DIGEST: Digests of the objects are wanted, not the
 *   objects.
 */
enum issei_evidence_flag {
	ISSEI_EVIDENCE_FLAG_DIGEST = 1,
};

/**
 * enum issei_evidence_verdict - Results of a check.
 * @ISSEI_EVIDENCE_VERDICT_NOT_CHECKED: It could not be checked, or was not.
 * @ISSEI_EVIDENCE_VERDICT_YES: It was checked, and is right.
 * @ISSEI_EVIDENCE_VERDICT_NO: It was checked, and is wrong.
 */
enum issei_evidence_verdict {
	ISSEI_EVIDENCE_VERDICT_NOT_CHECKED,
	ISSEI_EVIDENCE_VERDICT_YES,
	ISSEI_EVIDENCE_VERDICT_NO,
};

/*
 * Hash algorithms, with the numbers of linux/hash_info.h.
 */
enum issei_evidence_hash_algo {
	ISSEI_EVIDENCE_HASH_ALGO_SHA256 = 4,
	ISSEI_EVIDENCE_HASH_ALGO_SHA384,
	ISSEI_EVIDENCE_HASH_ALGO_SHA512,
	ISSEI_EVIDENCE_HASH_ALGO_SHA3_256 = 20,
	ISSEI_EVIDENCE_HASH_ALGO_SHA3_384,
	ISSEI_EVIDENCE_HASH_ALGO_SHA3_512,
};

enum {
	ISSEI_EVIDENCE_A_TYPE = 1,
	ISSEI_EVIDENCE_A_TYPE_MASK,
	ISSEI_EVIDENCE_A_FLAGS,
	ISSEI_EVIDENCE_A_DEV_NAME,
	ISSEI_EVIDENCE_A_NONCE,
	ISSEI_EVIDENCE_A_GENERATION,
	ISSEI_EVIDENCE_A_LENGTH,
	ISSEI_EVIDENCE_A_OFFSET,
	ISSEI_EVIDENCE_A_VAL,
	ISSEI_EVIDENCE_A_SLOT,
	ISSEI_EVIDENCE_A_HASH_ALGO,
	ISSEI_EVIDENCE_A_STATE,
	ISSEI_EVIDENCE_A_FRESH,
	ISSEI_EVIDENCE_A_ANCHORED,
	ISSEI_EVIDENCE_A_PINNED,
	ISSEI_EVIDENCE_A_ACCEPTED,
	ISSEI_EVIDENCE_A_DIGEST,
	ISSEI_EVIDENCE_A_LOG_HEAD,
	ISSEI_EVIDENCE_A_LOG_COUNT,

	__ISSEI_EVIDENCE_A_MAX,
	ISSEI_EVIDENCE_A_MAX = (__ISSEI_EVIDENCE_A_MAX - 1)
};

enum {
	ISSEI_EVIDENCE_CMD_READ = 1,
	ISSEI_EVIDENCE_CMD_RESULT,

	__ISSEI_EVIDENCE_CMD_MAX,
	ISSEI_EVIDENCE_CMD_MAX = (__ISSEI_EVIDENCE_CMD_MAX - 1)
};

#define ISSEI_EVIDENCE_MCGRP_RESULTS	"results"

#endif /* _UAPI_LINUX_ISSEI_EVIDENCE_H */
