#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes the files beside it anew, with openssl. The private keys are thrown away.

hashes      for each size of SIZES, the digests of that many bytes of pattern(), by each of HASHES
NAME.key    the content of the BIT STRING in the SubjectPublicKeyInfo of a public key
NAME.pkcs1, NAME.pss, NAME.ecdsa
            signatures by that key over pattern(200), with each of HASHES; r and s for ECDSA
root.der    a certificate that may certify, of rsa2048.key
leaf.der    a certificate signed by that one, with SHA-256
"""

import hashlib
import os
import subprocess
import tempfile

HASHES = ["sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512"]
SIZES = [0, 3, 135, 136, 137, 200, 1000, 4097]
CURVES = {"p256": 32, "p384": 48, "p521": 66}
HERE = os.path.dirname(os.path.abspath(__file__))


def pattern(size):
    return bytes((i * 7 + 3) & 0xFF for i in range(size))


def digest(name, data):
    return hashlib.new(name.replace("sha3-", "sha3_"), data).digest()


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.PIPE).stdout


def elements(der):
    """The contents of the elements that stand one after the other in der."""
    contents = []
    while der:
        size, start = der[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(der[2:start], "big")
        contents.append(der[start:start + size])
        der = der[start + size:]
    return contents


def raw(signature, size):
    numbers = elements(elements(signature)[0])
    return b"".join(int.from_bytes(n, "big").to_bytes(size, "big") for n in numbers)


def write(name, data):
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(data)


def key(name, *options):
    openssl("genpkey", *options, "-out", name)
    spki = openssl("pkey", "-in", name, "-pubout", "-outform", "DER")
    write(name + ".key", elements(elements(spki)[0])[1][1:])


def signatures(name, *options):
    for hash_name in HASHES:
        with open("digest", "wb") as file:
            file.write(digest(hash_name, pattern(200)))
        options_of_hash = ["-pkeyopt", f"digest:{hash_name}"]
        for option in options:
            options_of_hash += ["-pkeyopt", option]
        yield openssl("pkeyutl", "-sign", "-inkey", name, "-in", "digest", *options_of_hash)


def certificates():
    common = ["-days", "36500", "-sha256"]
    openssl("req", "-x509", "-new", "-key", "rsa2048", "-subj", "/CN=kapi test root", *common,
            "-addext", "keyUsage=critical,keyCertSign", "-out", "root.pem")
    openssl("req", "-x509", "-new", "-key", "p256", "-subj", "/CN=kapi test leaf", *common,
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", "keyUsage=critical,digitalSignature",
            "-CA", "root.pem", "-CAkey", "rsa2048", "-out", "leaf.pem")
    for name in ("root", "leaf"):
        write(name + ".der", openssl("x509", "-in", name + ".pem", "-outform", "DER"))


def main():
    write("hashes", b"".join(digest(h, pattern(size)) for size in SIZES for h in HASHES))
    for bits in ("2048", "3072", "4096"):
        name = "rsa" + bits
        key(name, "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:" + bits)
        write(name + ".pkcs1", b"".join(signatures(name, "rsa_padding_mode:pkcs1")))
        write(name + ".pss", b"".join(
            signatures(name, "rsa_padding_mode:pss", "rsa_pss_saltlen:digest")))
    for name, size in CURVES.items():
        key(name, "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:P-{name[1:]}")
        write(name + ".ecdsa", b"".join(raw(s, size) for s in signatures(name)))
    certificates()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        main()
