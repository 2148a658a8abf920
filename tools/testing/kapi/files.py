#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests the files of kapi_test (device.rs), the driver's capture of messages (of which that has one),
and the module's parameter; prints TAP."""

import errno
import os
import random
import select
import socket
import stat
import struct
import subprocess
import sys
import time

MODULE = "/root/kapi_test.ko"
DEVICE = "/sys/class/kapi_test/kapi_test0"
SUB = DEVICE + "/sub"
FILES = SUB + "/files"
LARGE = FILES + "/large"
DEBUG = "/sys/kernel/debug/kapi_test0"
NOISE = "/sys/module/kapi_test/parameters/noise"
PATTERN = bytes((i * 7 + (i >> 8)) & 0xFF for i in range(100_000))
NOBODY = 65534
NETLINK_KOBJECT_UEVENT, KERNEL_EVENTS = 15, 1
count = 0


def result(name, right):
    global count
    count += 1
    print("ok" if right else "not ok", count, name, flush=True)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, text):
    """The error number, or 0."""
    try:
        fd = os.open(path, os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        return error.errno
    return 0


def error_of(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return error.errno
    return 0


def as_nobody(function):
    """What the function gives, a small number, for a user who may nothing."""
    child = os.fork()
    if child == 0:
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        os._exit(function())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def attributes():
    names = [f"a{i:02}" for i in range(31)]
    result("31 attributes", all(read(f"{DEVICE}/{name}") == f"{name}\n".encode() for name in names))
    number = SUB + "/number"
    result("an attribute to read and write", stat.S_IMODE(os.stat(number).st_mode) == 0o644
           and read(number) == b"7\n" and write(number, "5\n") == 0 and read(number) == b"5\n"
           and write(number, "five") == errno.EINVAL and read(number) == b"5\n")
    fd = os.open(number, os.O_WRONLY)
    result("who may is asked when it is written", as_nobody(lambda: error_of(os.write, fd, b"6"))
           == errno.EPERM and read(number) == b"5\n" and os.write(fd, b"6") == 1)
    os.close(fd)
    result("nobody opens it to write, all read it", as_nobody(lambda: write(number, "6"))
           == errno.EACCES and as_nobody(lambda: read(number) == b"6\n") == 1)
    result("an object and a link to it", read(DEVICE + "/objects/1/name") == b"one\n"
           and os.path.samefile(DEVICE + "/object:1", DEVICE + "/objects/1"))


def device():
    fd = os.open("/dev/kapi_test0", os.O_RDWR)
    result("the device reads, and writes not", os.read(fd, 3) == b"rea"
           and error_of(os.write, fd, b"x") == errno.EROFS)
    poll = select.poll()
    poll.register(fd, select.POLLIN | select.POLLOUT)
    for number, expected in enumerate((select.POLLIN, select.POLLOUT, select.POLLERR,
                                       select.POLLHUP)):
        write(SUB + "/number", str(1 << number))
        events = poll.poll(0)
        result(f"poll gives {expected:#x}", [event & expected for _, event in events] == [expected]
               and events[0][1] == expected)
    write(SUB + "/number", "0")
    result("poll gives nothing", poll.poll(0) == [])
    os.close(fd)


def blobs():
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
    events.bind((0, KERNEL_EVENTS))
    events.settimeout(10)
    result("files come", not os.path.exists(FILES) and write(SUB + "/make", "1") == 0)
    event = events.recv(1 << 16).split(b"\0")
    result("an event says so", event[0].startswith(b"change@") and b"FILES=come" in event
           and b"DEVNAME=kapi_test0" in event)
    events.close()
    status = os.stat(LARGE)
    result("a file has a size", status.st_size == len(PATTERN)
           and os.stat(FILES + "/empty").st_size == 0)
    result("a file is for root", stat.S_IMODE(status.st_mode) == 0o400
           and as_nobody(lambda: error_of(read, LARGE)) == errno.EACCES)
    result("a file has its bytes", read(LARGE) == PATTERN and read(FILES + "/empty") == b"")
    fd = os.open(LARGE, os.O_RDONLY)
    random.seed(1)
    places = [0, 1, 4095, 4096, 99_999, *random.sample(range(len(PATTERN)), 50)]
    result("a file is read from anywhere", all(
        os.pread(fd, size, at) == PATTERN[at:at + min(size, 4096)]
        for at in places for size in (1, 100, 4096)))
    result("nothing is behind its end", os.pread(fd, 100, len(PATTERN)) == b""
           and os.pread(fd, 100, 1 << 40) == b"" and os.pread(fd, 100, (1 << 63) - 101) == b"")
    empty = os.open(FILES + "/empty", os.O_RDONLY)
    result("nothing is in the empty one", os.pread(empty, 100, 0) == b""
           and os.pread(empty, 100, 1 << 40) == b"")
    os.close(empty)
    result("a name is taken", write(SUB + "/make", "1") == errno.EEXIST)
    result("files go", write(SUB + "/make", "0") == 0 and not os.path.exists(FILES))
    result("who has one open reads no more", error_of(os.pread, fd, 1, 0) == errno.ENODEV)
    os.close(fd)


def reader(end):
    """Reads while the file comes and goes; 0 if every byte was right and there were some."""
    seen = 0
    while time.monotonic() < end:
        fd = -1
        try:
            fd = os.open(LARGE, os.O_RDONLY)
            for at in range(0, len(PATTERN), 4096):
                if os.pread(fd, 4096, at) != PATTERN[at:at + 4096]:
                    return 1
                seen += 1
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                return 2
        finally:
            if fd >= 0:
                os.close(fd)
    return 0 if seen else 3


def storm():
    end = time.monotonic() + 5
    readers = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(reader(end))
        readers.append(child)
    rounds = 0
    right = True
    while time.monotonic() < end:
        right &= write(SUB + "/make", "1") == 0
        time.sleep(random.random() / 100)
        right &= write(SUB + "/make", "0") == 0
        rounds += 1
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in readers]
    result("files go while they are read", right and rounds > 10 and codes == [0, 0, 0])


def debugfs():
    result("a file of bytes", read(DEBUG + "/bytes") == PATTERN)
    result("a debugging file to write", write(DEBUG + "/set", "99\n") == 0
           and read(DEBUG + "/number") == b"99\n" and write(DEBUG + "/set", "x") == errno.EINVAL)


def say(*words):
    write(DEBUG + "/say", " ".join(str(word) for word in words))


def message(code, param1, size):
    tail = bytes(range(256)) * (size // 256 + 1)
    return (bytes([0x12, code, param1]) + tail[3:])[:size]


def packets():
    """The header of the capture file, and its packets."""
    file = read(DEBUG + "/pcap")
    header, at, found = struct.unpack_from("<IHHiIII", file), 24, []
    while at < len(file):
        seconds, nanoseconds, kept, length = struct.unpack_from("<4I", file, at)
        data = file[at + 16:at + 16 + kept]
        found.append((seconds + nanoseconds / 1e9, length, data))
        at += 16 + kept
    return header, found if at == len(file) else None


def capture():
    result("an empty capture", packets() == ((0xA1B23C4D, 2, 4, 0, 0, 128 << 10, 291), [])
           and read(DEBUG + "/statistics") == b"")
    before = time.time()
    request, response = message(0x84, 0, 4), message(0x04, 0, 20)
    say(">", 0x84, 0, 4)
    say("<", 0x04, 0, 20)
    header, found = packets()
    times = [at for at, _, _ in found]
    result("a request and a response", [(size, data) for _, size, data in found] == [
        (9, bytes([1, 9, 8, 0xC8, 5]) + request), (25, bytes([1, 8, 9, 0xC0, 5]) + response)])
    result("they have their time", header[0] == 0xA1B23C4D and times == sorted(times)
           and before - 1 < times[0] and times[1] < time.time() + 1)
    for code, param1 in ((0x7F, 3), (0x7F, 3), (0x7F, 0x20), (0x84, 0), (0x20, 0)):
        say("<", code, param1, 4)
    say("<", 0x7F, 3, 2)
    for number in (110, 110, 107, 524):
        say("!", number)
    result("counters", read(DEBUG + "/statistics").decode() == (
        "VERSION 1\nmessage_0x20 1\nERROR 3\nGET_VERSION 1\nERROR_Busy 2\nERROR_0x20 1\n"
        "other_error 1\nENOTCONN 1\nETIMEDOUT 2\nmisdirected 1\n"))
    # However the messages lie in the ring: all that are there are the last ones, and whole.
    random.seed(2)
    sizes, right = [], True
    for _ in range(100):
        sizes.append(random.choice((2, 3, 4, 37, 1000, 4096, 30000, 65536)))
        say(">", 0xE0, 1, sizes[-1])
        _, found = packets()
        kept = sizes[-len(found):]
        fresh = found[-len(kept):]
        right &= [(size, data[5:]) for _, size, data in fresh] == [
            (size + 5, message(0xE0, 1, size)) for size in kept]
        total = sum(size + 21 for size in kept)
        right &= len(found) > len(sizes) or 256 << 10 >= total > (256 << 10) - 65536 - 21
    result("the last messages are kept, whole", right)
    lost = f"dropped {len(sizes) + 8 - len(found)}\n"
    result("the others are counted", read(DEBUG + "/statistics").decode().endswith(lost))
    for size, kept in ((131067, 131067), (131068, 131067), (1 << 20, 131067)):
        say("<", 0x60, 0, size)
        _, found = packets()
        result(f"{kept} bytes are kept of {size}", found[-1][1] == size + 5
               and found[-1][2][5:] == message(0x60, 0, size)[:kept])


def insmod(*parameters):
    """Whether the module was loaded, and what was said."""
    done = subprocess.run(["insmod", MODULE, *parameters], capture_output=True, text=True)
    return done.returncode == 0, done.stderr


def rmmod():
    return subprocess.run(["rmmod", "kapi_test"]).returncode == 0


def unload():
    write(SUB + "/make", "1")
    files = [os.open(path, os.O_RDONLY) for path in (LARGE, SUB + "/number")]
    result("files that are open do not keep the module", rmmod())
    result("they read no more", all(error_of(os.pread, fd, 1, 0) == errno.ENODEV for fd in files))
    for fd in files:
        os.close(fd)


def parameter():
    result("a parameter has its default", read(NOISE) == b"some\n"
           and stat.S_IMODE(os.stat(NOISE).st_mode) == 0o444)
    for word in ("none", "much"):
        result(f"a parameter is {word}", rmmod() and insmod(f"noise={word}")[0]
               and read(NOISE) == f"{word}\n".encode())
    rmmod()
    for bad in ("noise=loud", "noise=", "noise", "noise=som", "noise=somewhat", "noise=NONE"):
        loaded, said = insmod(bad)
        result(f"refused: {bad}", not loaded and "Invalid parameters" in said)
    told = subprocess.run(["modinfo", "-p", MODULE], capture_output=True, text=True).stdout
    result("modinfo tells of it", "noise:how much to say (none|some|much)" in told.splitlines())


def main():
    if not insmod()[0]:
        sys.exit("the module cannot be loaded")
    attributes()
    device()
    debugfs()
    capture()
    blobs()
    storm()
    unload()
    insmod()
    parameter()
    print(f"1..{count}")


if __name__ == "__main__":
    main()
