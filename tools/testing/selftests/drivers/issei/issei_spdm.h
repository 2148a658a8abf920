/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of SPDM in the kernel share: the directory issei<N>/spdm in sysfs, and
 * the responder in the device model.
 */
#ifndef ISSEI_SPDM_H
#define ISSEI_SPDM_H

#include <sys/uio.h>

#include "issei_util.h"

#define SPDM_EXCHANGE_MS	10000	/* longest exchange */
#define SPDM_ALL_MS		60000	/* longest authentication */
#define SPDM_SETTLE_MS		(SPDM_ALL_MS + LINK_UP_MS)

#define SPDM_TEXT		512	/* no text file has more */
#define SPDM_CHAIN_MAX		65536
#define SPDM_DIGEST_TEXT	(7 + 64)	/* sha256: and digits */
#define SPDM_NO_DIGEST	"sha256:0000000000000000000000000000000000000000000000000000000000000000"
#define SPDM_SIGNATURE		64	/* of the model's first choice, P-256 */
#define SHA256_SIZE		32

/*
 * Files of issei<N>/spdm. Texts lose their newline; -EBADMSG if they are not one line.
 * spdm_is() looks at the first word, before `: `.
 */
int spdm_path(unsigned int dev, char *path, size_t size, const char *file);
int spdm_read(unsigned int dev, const char *file, char *text, size_t size);
ssize_t spdm_read_bytes(unsigned int dev, const char *file, uint8_t *buf, size_t size);
int spdm_write(unsigned int dev, const char *file, const char *text);
uint64_t spdm_number(unsigned int dev, const char *file);
bool spdm_is(unsigned int dev, const char *file, const char *word);
bool spdm_present(unsigned int dev);
bool spdm_client_present(unsigned int dev);

/* The agent. */
int spdm_wait_state(unsigned int dev, const char *word, int timeout_ms);
int spdm_wait_generation(unsigned int dev, uint64_t after, int timeout_ms);
int spdm_authenticate(unsigned int dev);
int spdm_authenticate_anew(unsigned int dev);
int spdm_accept(unsigned int dev);
int spdm_reset_link(unsigned int dev);

/* The keyring .issei: its serial number, and emptied. */
int spdm_ring(void);
int spdm_clear_ring(void);

/* The responder in the model; model_spdm_chain() gives the certificates, root first. */
int model_spdm_defaults(unsigned int dev);
int model_spdm_set(unsigned int dev, const char *format, ...) __printf(2, 3);
int model_spdm_fault(unsigned int dev, const char *name, const char *more);
ssize_t model_spdm_chain(unsigned int dev, unsigned int slot, const char *asym, uint8_t *chain,
			 size_t size);
int model_spdm_measurement(unsigned int dev, unsigned int index, unsigned int type,
			   const char *hex);
int model_spdm_large_measurement(unsigned int dev, unsigned int index, size_t size);

/* Length of the DER element at @der, with its header; 0 if it does not fit into @len. */
size_t der_length(const uint8_t *der, size_t len);
ssize_t hex_decode(const char *hex, uint8_t *buf, size_t size);
void hex_encode(const uint8_t *buf, size_t len, char *hex);
int sha256(uint8_t digest[SHA256_SIZE], const struct iovec *parts, int count);

#endif /* ISSEI_SPDM_H */
