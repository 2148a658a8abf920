#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each check and each test that the threat model names is there, and each threat has both.
here=$(dirname "$0")
root=$here/../../../../..
model=$root/Documentation/driver-api/issei_rust-threats.rst

echo "TAP version 13"
echo "1..1"

# Rows, as `id column file item`: column 3 has checks, column 4 tests.
rows=$(awk '
	/^   \* - ``[A-Z][0-9]+``$/ { id = $3; gsub("`", "", id); column = 1; print id, 0, "-", "-" }
	id && /^     - / { column++ }
	!/^   / && NF { id = "" }
	id {
		rest = $0
		while (match(rest, /``[^` ]+: [^` ]+``/)) {
			name = substr(rest, RSTART + 2, RLENGTH - 4)
			split(name, part, ": ")
			print id, column, part[1], part[2]
			rest = substr(rest, RSTART + RLENGTH)
		}
	}' "$model")

# A kselftest by its program, a function of a host test, or an item of a source file.
is_there()
{
	if [ -e "$here/$1.c" ]; then
		grep -Eq "^TEST[A-Z_]*\(([a-z_]+, )?$2[,)]" "$here/$1.c"
		return
	fi
	case $1 in
	*/tests/*)
		grep -Eq "^ *fn $2\(" "$root/$1"
		return
		;;
	esac
	for file in "$root/drivers/misc/issei_rust/$1" "$root/$1"; do
		[ -e "$file" ] && grep -qw -- "$2" "$file" && return
	done
	return 1
}

failed=$(echo "$rows" | while read -r id column file item; do
	[ "$column" = 0 ] || is_there "$file" "$item" || echo "# $id: there is no $file: $item"
done
ids=$(echo "$rows" | awk '$2 == 0 { print $1 }')
[ -n "$ids" ] || echo "# there are no threats"
for id in $ids; do
	echo "$rows" | grep -q "^$id 4 " || echo "# $id: no test"
done
echo "$ids" | sort | uniq -d | sed 's/^/# twice: /')

if [ -z "$failed" ]; then
	echo "ok 1 threats"
else
	echo "$failed"
	echo "not ok 1 threats"
	exit 1
fi
