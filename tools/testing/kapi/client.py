#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests the generic netlink family of kapi_test (family.rs), and prints TAP."""

import errno
import socket
import struct

NETLINK_GENERIC, SOL_NETLINK, NETLINK_EXT_ACK = 16, 270, 11
NLMSG_ERROR, NLMSG_DONE = 2, 3
REQUEST, ACK, DUMP, CAPPED, ACK_TLVS = 1, 4, 0x300, 0x100, 0x200
CTRL, GETFAMILY, FAMILY_ID, FAMILY_NAME = 16, 3, 1, 2
ECHO, COUNT = 1, 2


def attribute(kind, value):
    if isinstance(value, int):
        value = struct.pack("I", value)
    return struct.pack("HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def attributes(data):
    found = {}
    while data:
        size, kind = struct.unpack_from("HH", data)
        found[kind & 0x3FFF] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found


class Netlink:
    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.socket.bind((0, 0))
        self.socket.settimeout(10)
        self.socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)

    def request(self, family, command, flags, values):
        """The messages of the answer, an error number, and what the kernel says of it."""
        body = struct.pack("BBH", command, 1, 0)
        body += b"".join(attribute(kind, value) for kind, value in values.items())
        header = struct.pack("IHHII", 16 + len(body), family, REQUEST | flags, 1, 0)
        self.socket.send(header + body)
        messages = []
        while True:
            data = self.socket.recv(1 << 16)
            while data:
                size, kind, flags = struct.unpack_from("IHH", data)
                message, data = data[16:size], data[(size + 3) & ~3:]
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    return messages, *self.end(kind, flags, message)
                messages.append(attributes(message[4:]))

    @staticmethod
    def end(kind, flags, message):
        start = 4
        if kind == NLMSG_ERROR:
            start += 16 if flags & CAPPED else struct.unpack_from("I", message, 4)[0]
        text = attributes(message[start:]).get(1, b"") if flags & ACK_TLVS else b""
        return -struct.unpack_from("i", message)[0], text.rstrip(b"\0").decode()


def number(data):
    return int.from_bytes(data, "little")


def main():
    count = 0

    def result(name, right):
        nonlocal count
        count += 1
        print("ok" if right else "not ok", count, name)

    netlink = Netlink()
    families, error, _ = netlink.request(CTRL, GETFAMILY, ACK, {FAMILY_NAME: b"kapi_test\0"})
    result("the family is there", error == 0 and len(families) == 1)
    family = number(families[0][FAMILY_ID])

    def echo(**values):
        values = {int(kind[1:]): value for kind, value in values.items()}
        return netlink.request(family, ECHO, DUMP, values)

    answers, error, _ = echo(a1=0x3FFF, a2=0xFF, a3=b"1234567\0", a4=bytes(range(32)))
    result("attributes come back", error == 0 and answers == [{
        1: struct.pack("I", 0x3FFF), 2: struct.pack("I", 0xFF), 3: b"1234567\0",
        4: bytes(range(32)), 6: struct.pack("I", 0xFFFC0000)}])
    answers, error, _ = echo(a1=0x7FFF)
    result("a large uint has 64 bits", error == 0 and answers == [{
        1: struct.pack("I", 0x7FFF), 3: b"\0", 4: b"", 6: struct.pack("Q", 0x1FFFC0000)}])
    result("a refusal says why", echo() == ([], errno.EINVAL, "which number?"))
    for name, values in {
            "a number too high": {"a1": 0x8000}, "a bit too many": {"a2": 0x100},
            "a string too long": {"a3": b"123456789\0"}, "a string without end": {"a3": b"1234"},
            "bytes too many": {"a4": bytes(33)}, "bytes too few": {"a4": bytes(31)},
            "an attribute that is no request's": {"a6": 1},
            "a number of three bytes": {"a1": bytes(3)}}.items():
        answers, error, _ = echo(**{"a1": 1, **values})
        result(f"refused: {name}", not answers and error in (errno.EINVAL, errno.ERANGE))

    messages, error, _ = netlink.request(family, COUNT, DUMP, {1: 12})
    result("a dump of one part", error == 0 and [number(m.get(1, b"")) for m in messages]
           == [0, *range(12, 0, -1)] and messages[0] == {2: struct.pack("I", 12)})
    messages, error, text = netlink.request(family, COUNT, DUMP, {1: 500})
    result("a dump of many parts that is refused at last", error == errno.EDOM
           and text.startswith("thirteen: ") and len(text) == 79
           and [number(m.get(1, b"")) for m in messages] == [0, *range(500, 13, -1)])
    messages, error, _ = netlink.request(family, COUNT, DUMP, {})
    result("a dump that does not begin", not messages and error == errno.EINVAL)
    print(f"1..{count}")


if __name__ == "__main__":
    main()
