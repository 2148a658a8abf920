// SPDX-License-Identifier: GPL-2.0
/* The netlink family issei-evidence, message by message. */
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "issei_evidence.h"

#define BUFFER_SIZE	32768
#define RECEIVE_S	(SPDM_ALL_MS / 1000 + 15)

struct attributes {
	const void *data[ISSEI_EVIDENCE_A_MAX + 1];
	uint16_t len[ISSEI_EVIDENCE_A_MAX + 1];
};

void request_put(struct evidence_request *r, uint16_t type, const void *data, size_t len)
{
	struct nlattr header = { .nla_len = NLA_HDRLEN + len, .nla_type = type };

	memcpy(r->attributes + r->len, &header, sizeof(header));
	memset(r->attributes + r->len + NLA_HDRLEN, 0, NLA_ALIGN(len));
	memcpy(r->attributes + r->len + NLA_HDRLEN, data, len);
	r->len += NLA_HDRLEN + NLA_ALIGN(len);
}

void request_put_u32(struct evidence_request *r, uint16_t type, uint32_t value)
{
	request_put(r, type, &value, sizeof(value));
}

void request_begin(struct evidence_request *r, const char *device, const uint8_t *nonce)
{
	r->len = 0;
	if (device)
		request_put(r, ISSEI_EVIDENCE_A_DEV_NAME, device, strlen(device) + 1);
	if (nonce)
		request_put(r, ISSEI_EVIDENCE_A_NONCE, nonce, NONCE_SIZE);
}

static int send_message(int fd, uint16_t family, uint8_t command, uint16_t flags,
			const struct evidence_request *r)
{
	struct {
		struct nlmsghdr header;
		struct genlmsghdr genl;
		uint8_t attributes[sizeof(r->attributes)];
	} message = {
		.header.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN + r->len,
		.header.nlmsg_type = family,
		.header.nlmsg_flags = NLM_F_REQUEST | flags,
		.header.nlmsg_seq = 1,
		.genl = { .cmd = command, .version = ISSEI_EVIDENCE_FAMILY_VERSION },
	};

	memcpy(message.attributes, r->attributes, r->len);
	return send(fd, &message, message.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* The next attribute of @len bytes at @at, or NULL. */
static const struct nlattr *next_attribute(const uint8_t **at, size_t *len)
{
	const struct nlattr *attribute = (const struct nlattr *)*at;
	size_t size;

	if (*len < NLA_HDRLEN || attribute->nla_len < NLA_HDRLEN || attribute->nla_len > *len)
		return NULL;
	size = NLA_ALIGN(attribute->nla_len);
	*len -= size < *len ? size : *len;
	*at += size;
	return attribute;
}

static const void *payload(const struct nlattr *attribute)
{
	return (const uint8_t *)attribute + NLA_HDRLEN;
}

static void parse(const uint8_t *at, size_t len, struct attributes *found)
{
	const struct nlattr *attribute;

	memset(found, 0, sizeof(*found));
	while ((attribute = next_attribute(&at, &len))) {
		uint16_t type = attribute->nla_type & NLA_TYPE_MASK;

		if (type <= ISSEI_EVIDENCE_A_MAX) {
			found->data[type] = payload(attribute);
			found->len[type] = attribute->nla_len - NLA_HDRLEN;
		}
	}
}

static uint32_t u32(const struct attributes *a, int type)
{
	uint32_t value = ~0u;

	if (a->len[type] == sizeof(value))
		memcpy(&value, a->data[type], sizeof(value));
	return value;
}

static void text(const struct attributes *a, int type, char *to, size_t size)
{
	snprintf(to, size, "%.*s", a->len[type], a->data[type] ? (char *)a->data[type] : "");
}

/* The id of the group `results`. */
static uint32_t find_group(const uint8_t *at, size_t len)
{
	const struct nlattr *group, *attribute;

	while ((group = next_attribute(&at, &len))) {
		const uint8_t *inner = payload(group);
		size_t rest = group->nla_len - NLA_HDRLEN;
		uint32_t id = 0;
		bool ours = false;

		while ((attribute = next_attribute(&inner, &rest))) {
			if (attribute->nla_type == CTRL_ATTR_MCAST_GRP_ID)
				memcpy(&id, payload(attribute), sizeof(id));
			else if (attribute->nla_type == CTRL_ATTR_MCAST_GRP_NAME)
				ours = !strcmp(payload(attribute), ISSEI_EVIDENCE_MCGRP_RESULTS);
		}
		if (ours)
			return id;
	}
	return 0;
}

static int find_family(struct evidence_socket *s)
{
	static uint8_t buffer[BUFFER_SIZE];
	const struct nlmsghdr *header = (struct nlmsghdr *)buffer;
	const uint8_t *at = (uint8_t *)NLMSG_DATA(header) + GENL_HDRLEN;
	const struct nlattr *attribute;
	struct evidence_request r = {};
	size_t rest;
	int ret;

	request_put(&r, CTRL_ATTR_FAMILY_NAME, ISSEI_EVIDENCE_FAMILY_NAME,
		    sizeof(ISSEI_EVIDENCE_FAMILY_NAME));
	ret = send_message(s->fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, &r);
	if (ret)
		return ret;
	if (recv(s->fd, buffer, sizeof(buffer), 0) < 0)
		return -errno;
	if (header->nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)NLMSG_DATA(header))->error;
	rest = header->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN;
	while ((attribute = next_attribute(&at, &rest))) {
		if (attribute->nla_type == CTRL_ATTR_FAMILY_ID)
			memcpy(&s->family, payload(attribute), sizeof(s->family));
		else if ((attribute->nla_type & NLA_TYPE_MASK) == CTRL_ATTR_MCAST_GROUPS)
			s->group = find_group(payload(attribute), attribute->nla_len - NLA_HDRLEN);
	}
	return s->family && s->group ? 0 : -EBADMSG;
}

int evidence_open(struct evidence_socket *s)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	struct timeval limit = { .tv_sec = RECEIVE_S };
	int on = 1, ret;

	memset(s, 0, sizeof(*s));
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (s->fd < 0)
		return -errno;
	if (bind(s->fd, (struct sockaddr *)&address, sizeof(address)) ||
	    setsockopt(s->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) ||
	    setsockopt(s->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) ||
	    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		ret = -errno;
	else
		ret = find_family(s);
	if (ret)
		close(s->fd);
	return ret;
}

int evidence_subscribe(struct evidence_socket *s)
{
	return setsockopt(s->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &s->group,
			  sizeof(s->group)) ? -errno : 0;
}

int evidence_send(struct evidence_socket *s, const struct evidence_request *r, uint8_t command,
		  uint16_t flags)
{
	return send_message(s->fd, s->family, command, flags, r);
}

/* The first message: device, generation and state; the last one of a dump that fails. */
static int take_state(struct evidence *e, const struct attributes *a)
{
	bool first = !e->messages;

	if (!a->data[ISSEI_EVIDENCE_A_STATE] || !!a->data[ISSEI_EVIDENCE_A_GENERATION] != first)
		return -EBADMSG;
	if (first) {
		e->generation = u32(a, ISSEI_EVIDENCE_A_GENERATION);
		text(a, ISSEI_EVIDENCE_A_STATE, e->state, sizeof(e->state));
	} else {
		text(a, ISSEI_EVIDENCE_A_STATE, e->why, sizeof(e->why));
	}
	return 0;
}

/* A part of an object comes right behind the one before it, and no type comes back. */
static int take_part(struct evidence *e, const struct attributes *a)
{
	uint32_t type = u32(a, ISSEI_EVIDENCE_A_TYPE);
	uint16_t len = a->len[ISSEI_EVIDENCE_A_VAL];
	struct evidence_object *object;

	if (type >= EVIDENCE_TYPES || e->types >> type > 1)
		return -EBADMSG;
	object = &e->object[type];
	if (u32(a, ISSEI_EVIDENCE_A_GENERATION) != e->generation || !len || len > FRAGMENT_SIZE ||
	    object->len + len > sizeof(object->data))
		return -EBADMSG;
	if (e->types & 1 << type &&
	    (object->length != u32(a, ISSEI_EVIDENCE_A_LENGTH) ||
	     e->slot != u32(a, ISSEI_EVIDENCE_A_SLOT)))
		return -EBADMSG;
	object->length = u32(a, ISSEI_EVIDENCE_A_LENGTH);
	e->slot = u32(a, ISSEI_EVIDENCE_A_SLOT);
	e->types |= 1 << type;
	memcpy(object->data + object->len, a->data[ISSEI_EVIDENCE_A_VAL], len);
	if (a->data[ISSEI_EVIDENCE_A_HASH_ALGO]) {
		object->hash_algo = u32(a, ISSEI_EVIDENCE_A_HASH_ALGO);
		object->len += len;
		return a->data[ISSEI_EVIDENCE_A_OFFSET] ? -EBADMSG : 0;
	}
	if (u32(a, ISSEI_EVIDENCE_A_OFFSET) != object->len)
		return -EBADMSG;
	object->len += len;
	/* only the last part is short */
	return len == FRAGMENT_SIZE || object->len == object->length ? 0 : -EBADMSG;
}

static int take_message(struct evidence *e, const struct nlmsghdr *header)
{
	const uint8_t *at = (uint8_t *)NLMSG_DATA(header) + GENL_HDRLEN;
	const struct genlmsghdr *genl = NLMSG_DATA(header);
	struct attributes a;
	int ret;

	parse(at, header->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, &a);
	if (genl->cmd != ISSEI_EVIDENCE_CMD_READ || !a.data[ISSEI_EVIDENCE_A_DEV_NAME] ||
	    strcmp(a.data[ISSEI_EVIDENCE_A_DEV_NAME], "issei0"))
		return -EBADMSG;
	ret = a.data[ISSEI_EVIDENCE_A_TYPE] ? take_part(e, &a) : take_state(e, &a);
	e->messages++;
	return ret;
}

/* NLMSG_ERROR or NLMSG_DONE, which have an error number in front of all else. */
static int take_end(struct evidence *e, const struct nlmsghdr *header)
{
	const uint8_t *at = NLMSG_DATA(header);
	const struct nlattr *attribute;
	size_t len = header->nlmsg_len - NLMSG_HDRLEN, skip;
	int error;

	memcpy(&error, at, sizeof(error));
	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return error;
	skip = header->nlmsg_type == NLMSG_DONE ? sizeof(int) : sizeof(struct nlmsgerr);
	at += skip;
	len -= skip;
	while ((attribute = next_attribute(&at, &len))) {
		if (attribute->nla_type == NLMSGERR_ATTR_MSG)
			snprintf(e->ack, sizeof(e->ack), "%s", (char *)payload(attribute));
	}
	return error;
}

int evidence_receive(struct evidence_socket *s, struct evidence *e)
{
	static uint8_t buffer[BUFFER_SIZE];
	int bad = 0;

	memset(e, 0, sizeof(*e));
	for (;;) {
		const struct nlmsghdr *header = (struct nlmsghdr *)buffer;
		ssize_t len = recv(s->fd, buffer, sizeof(buffer), 0);

		if (len < 0)
			return -errno;
		for (; NLMSG_OK(header, len); header = NLMSG_NEXT(header, len)) {
			if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE)
				return bad ?: take_end(e, header);
			bad = bad ?: take_message(e, header);
		}
	}
}

int evidence_dump(struct evidence_socket *s, const struct evidence_request *r, struct evidence *e)
{
	int ret = evidence_send(s, r, ISSEI_EVIDENCE_CMD_READ, NLM_F_DUMP);

	return ret ?: evidence_receive(s, e);
}

int evidence_wait_result(struct evidence_socket *s, struct evidence_result *r, int timeout_ms)
{
	static uint8_t buffer[BUFFER_SIZE];
	const struct nlmsghdr *header = (struct nlmsghdr *)buffer;
	const struct genlmsghdr *genl = NLMSG_DATA(header);
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct attributes a;

	if (poll(&pfd, 1, timeout_ms) <= 0)
		return -ETIMEDOUT;
	if (recv(s->fd, buffer, sizeof(buffer), 0) < 0)
		return -errno;
	if (header->nlmsg_type != s->family || genl->cmd != ISSEI_EVIDENCE_CMD_RESULT)
		return -EBADMSG;
	parse((uint8_t *)genl + GENL_HDRLEN, header->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, &a);
	memset(r, 0, sizeof(*r));
	text(&a, ISSEI_EVIDENCE_A_DEV_NAME, r->device, sizeof(r->device));
	text(&a, ISSEI_EVIDENCE_A_STATE, r->state, sizeof(r->state));
	r->generation = u32(&a, ISSEI_EVIDENCE_A_GENERATION);
	r->fresh = u32(&a, ISSEI_EVIDENCE_A_FRESH);
	r->anchored = u32(&a, ISSEI_EVIDENCE_A_ANCHORED);
	r->pinned = u32(&a, ISSEI_EVIDENCE_A_PINNED);
	r->accepted = u32(&a, ISSEI_EVIDENCE_A_ACCEPTED);
	r->has_digest = a.len[ISSEI_EVIDENCE_A_DIGEST] == SHA256_SIZE;
	if (r->has_digest)
		memcpy(r->digest, a.data[ISSEI_EVIDENCE_A_DIGEST], SHA256_SIZE);
	if (a.len[ISSEI_EVIDENCE_A_LOG_HEAD] != SHA256_SIZE ||
	    a.len[ISSEI_EVIDENCE_A_LOG_COUNT] > sizeof(r->log_count))
		return -EBADMSG;
	memcpy(r->log_head, a.data[ISSEI_EVIDENCE_A_LOG_HEAD], SHA256_SIZE);
	memcpy(&r->log_count, a.data[ISSEI_EVIDENCE_A_LOG_COUNT], a.len[ISSEI_EVIDENCE_A_LOG_COUNT]);
	return 0;
}
