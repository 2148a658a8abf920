// SPDX-License-Identifier: GPL-2.0
/*
 * Asks the Silicon Security Engine for evidence by generic netlink, and writes it to
 * files in the current directory: the certificate chains cert0 to cert7, and the SPDM
 * messages vca and measurements. The engine signs the nonce, 64 hexadecimal digits
 * that whoever will judge the evidence has drawn.
 *
 *   # ./evidence issei0 $(openssl rand -hex 32)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ynl.h>
#include "issei-evidence-user.h"

#define NONCE_SIZE 32

static int parse_nonce(const char *digits, unsigned char *nonce)
{
	int i, end = 0;

	if (strlen(digits) != 2 * NONCE_SIZE)
		return -1;
	for (i = 0; i < NONCE_SIZE; i++) {
		if (sscanf(digits + 2 * i, "%2hhx%n", &nonce[i], &end) != 1 || end != 2)
			return -1;
	}
	return 0;
}

/* Writes one part of an object. Parts come in order; the first one makes the file. */
static int write_part(const struct issei_evidence_read_rsp *part)
{
	int flags = O_WRONLY | O_CREAT | (part->offset ? 0 : O_TRUNC);
	const char *name = issei_evidence_type_str(part->type);
	ssize_t written;
	int fd;

	if (!name) {
		fprintf(stderr, "object of unknown type %d\n", part->type);
		return -1;
	}
	fd = open(name, flags, 0644);
	written = pwrite(fd, part->val, part->_len.val, part->offset);
	if (written != (ssize_t)part->_len.val || close(fd)) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		return -1;
	}
	if (part->offset + part->_len.val == part->length)
		printf("%s: %u bytes\n", name, part->length);
	return 0;
}

int main(int argc, char **argv)
{
	struct ynl_family family = ynl_issei_evidence_family;
	struct issei_evidence_read_list *parts;
	struct issei_evidence_read_req *request;
	unsigned char nonce[NONCE_SIZE];
	struct ynl_error error;
	struct ynl_sock *ys;
	int result = 0;

	if (argc != 3 || parse_nonce(argv[2], nonce)) {
		fprintf(stderr, "usage: evidence issei<N> NONCE (%d hexadecimal digits)\n",
			2 * NONCE_SIZE);
		return 2;
	}

	/* The generator of Linux 7.3 makes an underscore of the dash in the name. */
	family.name = ISSEI_EVIDENCE_FAMILY_NAME;
	ys = ynl_sock_create(&family, &error);
	if (!ys) {
		fprintf(stderr, "no issei-evidence, is issei_rust loaded? %s\n", error.msg);
		return 1;
	}
	request = issei_evidence_read_req_alloc();
	issei_evidence_read_req_set_dev_name(request, argv[1]);
	issei_evidence_read_req_set_nonce(request, nonce, sizeof(nonce));
	/* Returns when the engine has answered all that it is asked, or after 60 s. */
	parts = issei_evidence_read_dump(ys, request);
	issei_evidence_read_req_free(request);
	if (!parts) {
		fprintf(stderr, "%s: %s\n", argv[1], ys->err.msg);
		ynl_sock_destroy(ys);
		return 1;
	}

	ynl_dump_foreach(parts, part) {
		/* The first message has no object in it. */
		if (part->_present.type && write_part(part))
			result = 1;
	}
	issei_evidence_read_list_free(parts);
	ynl_sock_destroy(ys);
	return result;
}
