// SPDX-License-Identifier: GPL-2.0
/* The directory issei<N>/spdm in sysfs, the keyring, and bytes in both. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_alg.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "issei_spdm.h"

#define UUID "e85149df-9447-4c9a-8367-c4e33464f1b4"

int spdm_path(unsigned int dev, char *path, size_t size, const char *file)
{
	return snprintf(path, size, "/sys/class/issei/issei%u/spdm/%s", dev, file);
}

ssize_t spdm_read_bytes(unsigned int dev, const char *file, uint8_t *buf, size_t size)
{
	char path[PATH_MAX];

	spdm_path(dev, path, sizeof(path), file);
	return file_read(path, (char *)buf, size);
}

int spdm_read(unsigned int dev, const char *file, char *text, size_t size)
{
	ssize_t len = spdm_read_bytes(dev, file, (uint8_t *)text, size);

	if (len < 0)
		return len;
	if (!len || strchr(text, '\n') != text + len - 1)
		return -EBADMSG;
	text[len - 1] = '\0';
	return 0;
}

int spdm_write(unsigned int dev, const char *file, const char *text)
{
	char path[PATH_MAX];

	spdm_path(dev, path, sizeof(path), file);
	return file_write(path, text);
}

/* ~0 if it is no decimal number. */
uint64_t spdm_number(unsigned int dev, const char *file)
{
	char text[SPDM_TEXT];

	if (spdm_read(dev, file, text, sizeof(text)) || strspn(text, "0123456789") != strlen(text))
		return ~0ull;
	return strtoull(text, NULL, 10);
}

bool spdm_is(unsigned int dev, const char *file, const char *word)
{
	size_t len = strlen(word);
	char text[SPDM_TEXT];

	return !spdm_read(dev, file, text, sizeof(text)) && !strncmp(text, word, len) &&
	       (!text[len] || !strncmp(text + len, ": ", 2));
}

bool spdm_present(unsigned int dev)
{
	char path[PATH_MAX];

	spdm_path(dev, path, sizeof(path), "");
	return !access(path, F_OK);
}

/* The engine has a firmware client that speaks SPDM. */
bool spdm_client_present(unsigned int dev)
{
	return !run("grep -q %s /sys/class/issei/issei%u/fw_clients/*/uuid", UUID, dev);
}

int spdm_wait_state(unsigned int dev, const char *word, int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;
	char text[SPDM_TEXT] = "";

	while (!spdm_is(dev, "state", word)) {
		if (now_ms() > end) {
			spdm_read(dev, "state", text, sizeof(text));
			fprintf(stderr, "# state is '%s' instead of '%s'\n", text, word);
			return -ETIMEDOUT;
		}
		sleep_ms(2);
	}
	return 0;
}

/* Until there is a result after that of generation @after. */
int spdm_wait_generation(unsigned int dev, uint64_t after, int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;

	while (spdm_number(dev, "generation") == after) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		sleep_ms(2);
	}
	return issei_wait_agent(dev, end > now_ms() ? end - now_ms() : 0);
}

/* One run of the agent, whatever its result. */
int spdm_authenticate(unsigned int dev)
{
	uint64_t before;
	int ret;

	ret = issei_wait_agent(dev, SPDM_SETTLE_MS);
	if (ret)
		return ret;
	before = spdm_number(dev, "generation");
	ret = spdm_write(dev, "authenticate", "1");
	return ret ?: spdm_wait_generation(dev, before, SPDM_SETTLE_MS);
}

/* The same by somebody who has forgotten what was before. */
int spdm_authenticate_anew(unsigned int dev)
{
	int ret = issei_wait_agent(dev, SPDM_SETTLE_MS);

	if (!ret)
		ret = spdm_write(dev, "accepted", "none");
	return ret ?: spdm_authenticate(dev);
}

/* Accepts what is there now. */
int spdm_accept(unsigned int dev)
{
	char text[SPDM_TEXT], digest[SPDM_TEXT];
	int ret;

	ret = spdm_read(dev, "digest", digest, sizeof(digest));
	if (ret)
		return ret;
	snprintf(text, sizeof(text), "%llu %.*s",
		 (unsigned long long)spdm_number(dev, "generation"), SPDM_DIGEST_TEXT, digest);
	return spdm_write(dev, "accepted", text);
}

/* The host resets the link, and the agent has run after it. */
int spdm_reset_link(unsigned int dev)
{
	uint64_t before = spdm_number(dev, "generation");
	char path[PATH_MAX];
	int ret;

	issei_sysfs_path(dev, path, sizeof(path), "reset");
	ret = file_write(path, "1");
	return ret ?: spdm_wait_generation(dev, before, SPDM_SETTLE_MS);
}

int spdm_ring(void)
{
	FILE *file = fopen("/proc/keys", "re");
	int serial = -ENOENT;
	char line[512];

	if (!file)
		return -errno;
	while (serial < 0 && fgets(line, sizeof(line), file))
		if (strstr(line, " keyring   .issei:"))
			serial = strtoul(line, NULL, 16);
	fclose(file);
	return serial;
}

int spdm_clear_ring(void)
{
	int ring = spdm_ring();

	if (ring < 0)
		return ring;
	return syscall(SYS_keyctl, KEYCTL_CLEAR, ring) ? -errno : 0;
}

size_t der_length(const uint8_t *der, size_t len)
{
	size_t header = 2, value = 0;

	if (len < 2)
		return 0;
	if (der[1] < 0x80) {
		value = der[1];
	} else {
		int bytes = der[1] & 0x7f;

		if (bytes > 3 || len < 2u + bytes)
			return 0;
		for (int i = 0; i < bytes; i++)
			value = value << 8 | der[2 + i];
		header += bytes;
	}
	return header + value <= len ? header + value : 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to the first character that is no lower-case digit. */
ssize_t hex_decode(const char *hex, uint8_t *buf, size_t size)
{
	size_t len = 0;

	for (; hex_digit(hex[0]) >= 0 && hex_digit(hex[1]) >= 0; hex += 2) {
		if (len == size)
			return -EMSGSIZE;
		buf[len++] = hex_digit(hex[0]) << 4 | hex_digit(hex[1]);
	}
	return len;
}

void hex_encode(const uint8_t *buf, size_t len, char *hex)
{
	*hex = '\0';
	for (size_t i = 0; i < len; i++)
		sprintf(hex + 2 * i, "%02x", buf[i]);
}

int sha256(uint8_t digest[SHA256_SIZE], const struct iovec *parts, int count)
{
	struct sockaddr_alg addr = {
		.salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256",
	};
	int fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), op = -1, ret = 0;

	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		op = accept(fd, NULL, NULL);
	if (op < 0)
		ret = -errno;
	for (int i = 0; !ret && i < count; i++)
		if (send(op, parts[i].iov_base, parts[i].iov_len, MSG_MORE) !=
		    (ssize_t)parts[i].iov_len)
			ret = -EIO;
	if (!ret && read(op, digest, SHA256_SIZE) != SHA256_SIZE)
		ret = -EIO;
	if (op >= 0)
		close(op);
	close(fd);
	return ret;
}
