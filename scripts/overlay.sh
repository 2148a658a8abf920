#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# overlay.sh [--dry-run | --undo] KERNEL
#
# Lays the driver, its Rust parts, documents, selftests and samples over a Linux source tree, at the same relative places, and
# adds one line each to its drivers/misc/Kconfig and drivers/misc/Makefile. Doing it again brings the tree up to date.
# --dry-run prints what would change as a patch, --undo takes back exactly what was put.
#
# KERNEL/.issei-overlay remembers what was put, with checksums: a file that is not in it, or that was changed since, is never
# replaced or removed.
set -euo pipefail
export LC_ALL=C

series=7.3
folders=(
	drivers/misc/issei_rust
	include
	rust/ham
	rust/kapi
	rust/spdm
	Documentation
	samples/issei
	tools/testing/selftests/drivers/issei
)
declare -A lines=(
	[drivers/misc/Kconfig]='source "drivers/misc/issei_rust/Kconfig"'
	[drivers/misc/Makefile]='obj-$(CONFIG_INTEL_SSEI_RUST)	+= issei_rust/'
)

die() {
	echo "overlay: $*" >&2
	exit 1
}

mode=apply
case ${1-} in
--dry-run | --undo)
	mode=${1#--}
	shift
	;;
esac
[ $# -eq 1 ] || die "usage: overlay.sh [--dry-run | --undo] KERNEL"
[ -f "$1/Makefile" ] && [ -f "$1/drivers/misc/Kconfig" ] || die "$1 is not a Linux source tree"
kernel=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
version=$(sed -n 's/^\(VERSION\|PATCHLEVEL\) *= *//p' "$kernel/Makefile" | paste -sd.)
[ "$version" = "$series" ] || die "$kernel is Linux $version, this tree is for Linux $series"

record=$kernel/.issei-overlay
declare -A put=()
if [ -f "$record" ]; then
	while read -r sum file; do
		put[$file]=$sum
	done <"$record"
fi

checksum() {
	sha256sum <"$1" | cut -d' ' -f1
}

# The state of a file in the kernel tree: absent, ours (as it was put), changed (put, but not the same any more), theirs.
state() {
	if [ ! -e "$kernel/$1" ]; then
		echo absent
	elif [ -z "${put[$1]-}" ]; then
		echo theirs
	elif [ "$(checksum "$kernel/$1")" = "${put[$1]}" ]; then
		echo ours
	else
		echo changed
	fi
}

remove() {
	local folder
	folder=$(dirname "$1")
	rm "$kernel/$1"
	while [ "$folder" != . ] && rmdir "$kernel/$folder" 2>/dev/null; do
		folder=$(dirname "$folder")
	done
}

with_line() { # the file $1 of the kernel tree with our line
	local line=${lines[$1]} after='^(source "drivers/misc/issei/Kconfig"|obj-\$\(CONFIG_INTEL_SSEI\))' last
	if grep -qxF -- "$line" "$kernel/$1"; then
		cat "$kernel/$1"
		return
	fi
	last=$(grep -nE -- "$after" "$kernel/$1" | tail -n 1 | cut -d: -f1)
	if [ -z "$last" ]; then
		last=$(grep -nx endmenu "$kernel/$1" | tail -n 1 | cut -d: -f1)
		last=$((${last:-$(wc -l <"$kernel/$1") + 1} - 1))
	fi
	head -n "$last" "$kernel/$1"
	echo "$line"
	tail -n "+$((last + 1))" "$kernel/$1"
}

without_line() {
	grep -vxF -- "${lines[$1]}" "$kernel/$1" || true
}

replace() { # keeps the mode, and the time stamp if nothing changes
	local new
	new=$(mktemp)
	"$2" "$1" >"$new"
	cmp -s "$new" "$kernel/$1" || cat "$new" >"$kernel/$1"
	rm "$new"
}

if [ "$mode" = undo ]; then
	[ -f "$record" ] || die "nothing of ours is in $kernel"
	kept=()
	for file in "${!put[@]}"; do
		case $(state "$file") in
		ours) remove "$file" ;;
		changed) kept+=("$file") ;;
		esac
	done
	for file in "${!lines[@]}"; do
		replace "$file" without_line
	done
	rm "$record"
	[ ${#kept[@]} -eq 0 ] || die "taken back, but for files that were changed since: ${kept[*]}"
	exit
fi

mapfile -t files < <(
	for folder in "${folders[@]}"; do
		[ ! -d "$folder" ] || find "$folder" -type f \( -name '*.rs' -o -name '*.[chS]' -o -name '*.sh' -o -name '*.rst' \
			-o -name '*.yaml' -o -name Kconfig -o -name Makefile -o -name config -o -name settings -o -name '*.svg' \
			-o -path 'Documentation/ABI/*' \) ! -name '*.mod.c' -print
	done | sort
)
declare -A wanted=() theirs=()
obstacles=()
for file in "${files[@]}"; do
	wanted[$file]=1
	case $(state "$file") in
	theirs)
		theirs[$file]=1
		cmp -s "$file" "$kernel/$file" || obstacles+=("$file (not put there by us)")
		;;
	changed) obstacles+=("$file (changed since it was put)") ;;
	esac
done
stale=()
for file in "${!put[@]}"; do
	if [ -z "${wanted[$file]-}" ]; then
		case $(state "$file") in
		ours) stale+=("$file") ;;
		changed) obstacles+=("$file (changed since it was put, and not wanted any more)") ;;
		esac
	fi
done
[ ${#obstacles[@]} -eq 0 ] || die "nothing done, these files are in the way:" "${obstacles[@]/#/$'\n  '}"

if [ "$mode" = dry-run ]; then
	show() { # FILE OLD NEW
		diff -uN --label "a/$1" --label "b/$1" "$2" "$3" || [ $? -eq 1 ]
	}
	for file in "${!lines[@]}"; do
		with_line "$file" | show "$file" "$kernel/$file" -
	done
	for file in "${files[@]}"; do
		show "$file" "$kernel/$file" "$file"
	done
	for file in "${stale[@]}"; do
		show "$file" "$kernel/$file" /dev/null
	done
	exit
fi

for file in "${stale[@]}"; do
	remove "$file"
done
for file in "${files[@]}"; do
	if ! cmp -s "$file" "$kernel/$file"; then
		mkdir -p "$kernel/$(dirname "$file")"
		cp "$file" "$kernel/$file"
	fi
done
for file in "${files[@]}"; do
	[ -n "${theirs[$file]-}" ] || echo "$(checksum "$file")  $file"
done >"$record.new"
mv "$record.new" "$record"
for file in "${!lines[@]}"; do
	replace "$file" with_line
done
echo "${#files[@]} files laid over $kernel: set CONFIG_INTEL_SSEI_RUST=m"
