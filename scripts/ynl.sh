#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ynl.sh [--check] KERNEL
#
# Generates the C header of the netlink family from its specification, with the generator of a Linux source tree, which checks
# the specification first. With --check, nothing is written: the header must be the one that is generated.
set -euo pipefail
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1

spec=Documentation/netlink/specs/issei-evidence.yaml
header=include/uapi/linux/issei_evidence.h

check=
if [ "${1-}" = --check ]; then
	check=yes
	shift
fi
generator=${1-}/tools/net/ynl/pyynl/ynl_gen_c.py
if [ $# -ne 1 ] || [ ! -f "$generator" ]; then
	echo "usage: ynl.sh [--check] KERNEL, where KERNEL is a Linux source tree" >&2
	exit 1
fi
generator=$(realpath "$generator")
schema=$(realpath "$1/Documentation/netlink/genetlink.yaml")
cd "$(dirname "$0")/.."

# The generator wants the specification in a kernel tree, which it knows by the file MAINTAINERS.
tree=$(mktemp -d)
trap 'rm -r "$tree"' EXIT
mkdir -p "$tree/$(dirname "$spec")"
touch "$tree/MAINTAINERS"
cp "$schema" "$tree/Documentation/netlink"
cp "$spec" "$tree/$spec"
(cd "$tree" && python3 "$generator" --spec "$spec" --mode uapi --header -o header)

if [ -z "$check" ]; then
	cp "$tree/header" "$header"
elif ! diff -u "$header" "$tree/header"; then
	echo "ynl.sh: $header is not what $spec gives: run scripts/ynl.sh KERNEL" >&2
	exit 1
fi
