// SPDX-License-Identifier: GPL-2.0
/*
 * What rust/kapi cannot reach through the kernel's Rust bindings: inline functions, and types of
 * headers that the bindings do not include. shim.rs declares these functions for Rust.
 */

#include <crypto/akcipher.h>
#include <crypto/public_key.h>
#include <crypto/sha2.h>
#include <crypto/sha3.h>
#include <crypto/sig.h>
#include <keys/asymmetric-subtype.h>
#include <keys/asymmetric-type.h>
#include <keys/system_keyring.h>
#include <linux/cleanup.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/key.h>
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>

__diag_push();
__diag_ignore_all("-Wmissing-prototypes", "called from Rust");

/* The functions of libsha3, which may be a module, and absent. As in shim.rs. */
struct rust_kapi_sha3 {
	typeof(&__sha3_update) update;
	typeof(&sha3_final) final;
};

/* The size of struct sha3_ctx, as in shim.rs. */
#define SHA3_CONTEXT_SIZE 208
static_assert(sizeof(struct sha3_ctx) == SHA3_CONTEXT_SIZE);
static_assert(__alignof__(struct sha3_ctx) <= __alignof__(u64));

/* Gives back what rust_kapi_sha3_get() took. */
void rust_kapi_sha3_put(const struct rust_kapi_sha3 *sha3)
{
	if (sha3->update)
		symbol_put(__sha3_update);
	if (sha3->final)
		symbol_put(sha3_final);
}

/* Keeps libsha3 if it is there. */
static int sha3_get(struct rust_kapi_sha3 *sha3)
{
	sha3->update = symbol_get(__sha3_update);
	sha3->final = symbol_get(sha3_final);
	if (sha3->update && sha3->final)
		return 0;

	rust_kapi_sha3_put(sha3);
	return -ENOENT;
}

/* Loads libsha3 if need be, and keeps it. */
int rust_kapi_sha3_get(struct rust_kapi_sha3 *sha3)
{
	if (!sha3_get(sha3))
		return 0;

	request_module("libsha3");
	return sha3_get(sha3);
}

/* Begins a message with a digest of @digest_size bytes. */
void rust_kapi_sha3_init(struct sha3_ctx *context, size_t digest_size)
{
	switch (digest_size) {
	case SHA3_256_DIGEST_SIZE:
		sha3_256_init(context);
		break;
	case SHA3_384_DIGEST_SIZE:
		sha3_384_init(context);
		break;
	default:
		sha3_512_init(context);
		break;
	}
}

/* -EKEYREJECTED if the certificate whose signed part has this SHA-256 is on the kernel's blacklist. */
int rust_kapi_certificate_blacklisted(const u8 *digest)
{
	return is_hash_blacklisted(digest, SHA256_DIGEST_SIZE, BLACKLIST_HASH_X509_TBS);
}

/* No RSA key is shorter, in bits. */
#define RSA_MIN 2048

/*
 * Checks a signature. Returns an error if it could not be checked; else *@verdict is what the
 * algorithm says of it.
 */
int rust_kapi_verify(const char *algorithm, const void *key, unsigned int key_size,
		     const void *digest, unsigned int digest_size,
		     const void *signature, unsigned int size, int *verdict)
{
	struct crypto_sig *tfm = crypto_alloc_sig(algorithm, 0, 0);
	int err;

	if (IS_ERR(tfm))
		return PTR_ERR(tfm);

	err = crypto_sig_set_pubkey(tfm, key, key_size);
	if (!err && str_has_prefix(algorithm, "pkcs1(rsa,") && crypto_sig_keysize(tfm) < RSA_MIN)
		err = -EINVAL;
	if (!err)
		*verdict = crypto_sig_verify(tfm, signature, size, digest, digest_size);

	crypto_free_sig(tfm);
	return err;
}

/*
 * Applies an RSA public key to a signature, for @size bytes at @encoded. Returns an error if that
 * was not possible; else *@verdict is an error if this cannot be a signature by that key.
 */
int rust_kapi_rsa_recover(const void *key, unsigned int key_size,
			  const void *signature, void *encoded, unsigned int size, int *verdict)
{
	struct crypto_akcipher *tfm = crypto_alloc_akcipher("rsa", 0, 0);
	int err;

	if (IS_ERR(tfm))
		return PTR_ERR(tfm);

	err = crypto_akcipher_set_pub_key(tfm, key, key_size);
	if (!err && crypto_akcipher_maxsize(tfm) * BITS_PER_BYTE < RSA_MIN)
		err = -EINVAL;
	if (!err && crypto_akcipher_maxsize(tfm) != size)
		*verdict = -EINVAL;
	else if (!err)
		*verdict = crypto_akcipher_sync_encrypt(tfm, signature, size, encoded, size);

	crypto_free_akcipher(tfm);
	return err;
}

/* Creates a keyring that belongs to root, who may add keys to it and remove them. */
struct key *rust_kapi_keyring_new(const char *name)
{
	return keyring_alloc(name, GLOBAL_ROOT_UID, GLOBAL_ROOT_GID, current_cred(),
			     (KEY_POS_ALL & ~KEY_POS_SETATTR) |
			     KEY_USR_VIEW | KEY_USR_READ | KEY_USR_WRITE | KEY_USR_SEARCH,
			     KEY_ALLOC_NOT_IN_QUOTA, NULL, NULL);
}

/*
 * Whether @key can be used as a public key. The payload of a key of this type never changes: it
 * can be neither updated nor revoked away, and is freed with the last reference.
 */
static bool is_public_key(const struct key *key)
{
	return key->type == &key_type_asymmetric && key_is_positive(key) && !key_validate(key) &&
	       asymmetric_key_subtype(key) == &public_key_subtype &&
	       !asymmetric_key_public_key(key)->key_is_private;
}

/*
 * Collects the usable public keys of @keyring in *@keys, an array for kvfree(), with a reference
 * to each. Returns their number.
 */
long rust_kapi_keyring_public_keys(struct key *keyring, struct key ***keys)
{
	key_serial_t *serials __free(kvfree) = NULL;
	struct key **found __free(kvfree) = NULL;
	long size, i, n = 0;

	size = key_validate(keyring);
	if (size)
		return size;

	/* Nothing is linked or unlinked meanwhile, so that the serial numbers stay valid. */
	guard(rwsem_read)(&keyring->sem);

	size = keyring->type->read(keyring, NULL, 0);
	if (size < 0)
		return size;

	serials = kvmalloc(size, GFP_KERNEL);
	found = kvmalloc_array(size / sizeof(*serials), sizeof(*found), GFP_KERNEL);
	if (!serials || !found)
		return -ENOMEM;

	size = keyring->type->read(keyring, (char *)serials, size);
	if (size < 0)
		return size;

	for (i = 0; i < size / sizeof(*serials); i++) {
		struct key *key = key_lookup(serials[i]);

		if (IS_ERR(key))
			continue;
		if (is_public_key(key))
			found[n++] = key;
		else
			key_put(key);
	}
	*keys = no_free_ptr(found);
	return n;
}

/* What there is to know of a public key, as in shim.rs. All of it lives as long as the key. */
struct rust_kapi_public_key {
	const void *key;
	size_t key_size;
	const void *subject;
	size_t subject_size;
	const char *algorithm;
	const char *name;
	bool may_certify;
};

/* Describes a key that rust_kapi_keyring_public_keys() found. */
void rust_kapi_public_key(const struct key *key, struct rust_kapi_public_key *description)
{
	const struct public_key *public = asymmetric_key_public_key(key);
	const struct asymmetric_key_ids *ids = asymmetric_key_ids(key);
	const struct asymmetric_key_id *subject = ids ? ids->id[2] : NULL;

	*description = (struct rust_kapi_public_key) {
		.key = public->key,
		.key_size = public->keylen,
		.subject = subject ? subject->data : NULL,
		.subject_size = subject ? subject->len : 0,
		.algorithm = public->pkey_algo,
		.name = key->description,
		.may_certify = test_bit(KEY_EFLAG_CA, &public->key_eflags) &&
			       test_bit(KEY_EFLAG_KEYCERTSIGN, &public->key_eflags),
	};
}

/* Has @block called before programs are frozen, and after they run again. */
int rust_kapi_sleep_register(struct notifier_block *block)
{
	return register_pm_notifier(block);
}

/* Undoes rust_kapi_sleep_register(). */
void rust_kapi_sleep_unregister(struct notifier_block *block)
{
	unregister_pm_notifier(block);
}

__diag_pop();
