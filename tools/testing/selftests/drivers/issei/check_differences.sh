#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each difference that a test knows has a row in the table, and each row has a test.
here=$(dirname "$0")
table=$here/../../../../../Documentation/driver-api/issei_rust-differences.rst

echo "TAP version 13"
echo "1..1"
tests=$(sed -n 's/.*C_DRIVER_DIFFERS("\([a-z-]*\)").*/\1/p' "$here"/*.c | sort -u)
rows=$(sed -n 's/^   \* - ``\([a-z-]*\)``$/\1/p' "$table" | sort)
if [ -n "$tests" ] && [ "$tests" = "$rows" ]; then
	echo "ok 1 differences"
else
	for name in $tests $rows; do echo "$name"; done | sort | uniq -u | sed 's/^/# only once: /'
	echo "not ok 1 differences"
	exit 1
fi
