// SPDX-License-Identifier: GPL-2.0
/* debugfs: the agent's messages as a capture file that SPDM dissectors read. */
#include <sys/stat.h>

#include "issei_spdm_fixture.h"

#define PCAP		"/sys/kernel/debug/issei0/spdm.pcap"
#define PCAP_MAX	(4 << 20)
#define MAGIC_US	0xa1b2c3d4
#define MAGIC_NS	0xa1b23c4d
#define LINKTYPE_MCTP	291
#define MCTP_VERSION	1
#define MCTP_WHOLE	0xc0	/* first and last packet of its message */
#define MCTP_TYPE_SPDM	5
#define MCTP_HEADER	4

struct header {
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint32_t zone;
	uint32_t accuracy;
	uint32_t longest;
	uint32_t linktype;
};

struct packet {
	uint32_t seconds;
	uint32_t fraction;
	uint32_t captured;
	uint32_t length;
	uint8_t mctp[MCTP_HEADER];
	uint8_t type;
	uint8_t spdm[];
};

/* Bytes of a packet that are not counted in its lengths. */
#define RECORD		offsetof(struct packet, mctp)
#define OVERHEAD	(MCTP_HEADER + 1)

static uint8_t pcap[PCAP_MAX];

static ssize_t read_pcap(struct __test_metadata *_metadata)
{
	ssize_t len = file_read(PCAP, (char *)pcap, sizeof(pcap));

	ASSERT_LE((ssize_t)sizeof(struct header), len) TH_LOG(PCAP);
	return len;
}

/* All packets are whole; how many there are, and the last 16 of them. */
static int split(struct __test_metadata *_metadata, ssize_t len, const struct packet **last)
{
	const struct header *header = (const struct header *)pcap;
	ssize_t at = sizeof(*header);
	int count = 0;

	for (; at < len; count++) {
		const struct packet *packet = (const struct packet *)(pcap + at);

		ASSERT_LE((ssize_t)(at + RECORD + OVERHEAD), len);
		ASSERT_LE(packet->captured, packet->length);
		ASSERT_LE(packet->captured, header->longest);
		ASSERT_LE((ssize_t)(at + RECORD + packet->captured), len);
		EXPECT_EQ(MCTP_VERSION, packet->mctp[0]);
		EXPECT_EQ(MCTP_WHOLE, packet->mctp[3] & MCTP_WHOLE);
		EXPECT_EQ(MCTP_TYPE_SPDM, packet->type);
		last[count % 16] = packet;
		at += RECORD + packet->captured;
	}
	return count;
}

TEST_F(agent, file)
{
	const struct header *header = (const struct header *)pcap;
	struct stat st;

	ASSERT_EQ(0, stat(PCAP, &st));
	EXPECT_EQ(0400, st.st_mode & 07777);
	read_pcap(_metadata);
	EXPECT_TRUE(header->magic == MAGIC_US || header->magic == MAGIC_NS);
	EXPECT_EQ(2, header->major);
	EXPECT_EQ(4, header->minor);
	EXPECT_EQ(0, header->zone);
	EXPECT_EQ(LINKTYPE_MCTP, header->linktype);
	EXPECT_LT(0, header->longest);
}

/* One authentication: requests and responses in turn, in the order of the protocol. */
TEST_F(agent, messages)
{
	static const uint8_t codes[] = {
		0x84, 0x04, 0xe1, 0x61, 0xe3, 0x63, 0x81, 0x01, 0x82, 0x02, 0x82, 0x02, 0x83, 0x03,
		0xe0, 0x60,
	};
	const struct packet *last[16];
	uint64_t time = 0;
	int count;

	ASSERT_EQ(0, spdm_authenticate(0));
	count = split(_metadata, read_pcap(_metadata), last);
	ASSERT_LE(16, count);
	for (int i = 0; i < 16; i++) {
		const struct packet *packet = last[(count + i) % 16];
		uint64_t now = packet->seconds * 1000000000ull + packet->fraction;

		EXPECT_EQ(i < 2 ? 0x10 : 0x13, packet->spdm[0]) TH_LOG("message %d", i);
		EXPECT_EQ(codes[i], packet->spdm[1]) TH_LOG("message %d", i);
		EXPECT_EQ(packet->length, packet->captured);
		EXPECT_LE(time, now);
		/* the owner of the tag is who asks */
		EXPECT_EQ(i & 1 ? 0 : 8, packet->mctp[3] & 8) TH_LOG("message %d", i);
		time = now;
	}
}

/* What programs say is none of it. */
TEST_F(agent, programs_are_not_in_it)
{
	int fd = issei_open_connected(0, O_RDWR, SPDM);
	const struct packet *last[16];
	uint8_t in[64];
	int count;

	ASSERT_LE(0, fd);
	count = split(_metadata, read_pcap(_metadata), last);
	ASSERT_EQ(4, issei_write(fd, "\x10\x84\0", 4));
	ASSERT_LT(4, issei_read(fd, in, sizeof(in)));
	EXPECT_EQ(count, split(_metadata, read_pcap(_metadata), last));
	close(fd);
}

/* However much was said, the file is bounded and whole. */
TEST_F_TIMEOUT(agent, bounded, 60)
{
	const struct packet *last[16];

	ASSERT_EQ(0, model_spdm_set(0, "'chain_size':60000"));
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(0, spdm_authenticate(0));
	ASSERT_GT(PCAP_MAX - 1, read_pcap(_metadata));
	EXPECT_LT(16, split(_metadata, read_pcap(_metadata), last));
}

TEST_F(agent, statistics)
{
	char text[4096];

	ASSERT_LT(0, file_read("/sys/kernel/debug/issei0/spdm_statistics", text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "GET_VERSION ")) TH_LOG("%s", text);
	EXPECT_NE(NULL, strstr(text, "MEASUREMENTS ")) TH_LOG("%s", text);
}

TEST_HARNESS_MAIN
