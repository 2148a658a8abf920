#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fuzz.sh [--keep] [TARGET...]
#
# Runs the targets, by default all, under libFuzzer for FUZZ_SECONDS (60) seconds each. Inputs that reach new code stay in
# build/fuzz/inputs, for the next run. Those that break a rule are named, and make it fail. In the end it tells how
# often targets were executed, now and in all runs since build/fuzz was removed.
# --keep puts the least set of inputs that reach the same code into rust/fuzz/corpus, in place of running.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."

seconds=${FUZZ_SECONDS:-60}
build=build/fuzz
fuzzer=$build/target/release/fuzz
corpus=$build/target/release/corpus

keep=
if [ "${1-}" = --keep ]; then
	keep=1
	shift
fi

if ! command -v "${CXX:-c++}" >/dev/null; then
	echo "fuzz: libFuzzer is compiled here, and there is no C++ compiler: install g++" >&2
	exit 1
fi
build_program() {
	CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true \
		cargo build --quiet --release --package fuzz --target-dir "$build/target" --bin "$@"
}
build_program corpus
RUSTC_WORKSPACE_WRAPPER=$PWD/rust/fuzz/sancov.sh build_program fuzz --features libfuzzer

if [ $# -eq 0 ]; then
	mapfile -t targets < <("$corpus" list)
	set -- "${targets[@]}"
fi
mkdir -p "$build/found"
failed=0
executions=$build/executions
touch "$executions"

# How often targets were executed: all, and those that read what was sent, which machines with a story do not.
count() {
	awk -v what="$1" '
		{ all += $2 }
		$1 !~ /^(ham-link|ham-poll|requester)$/ { decoders += $2 }
		END { printf "%s: %d executions, %d of them of decoders\n", what, all, decoders }'
}

before=$(wc -l <"$executions")
for target; do
	inputs=$build/inputs/$target
	export FUZZ_TARGET=$target
	"$corpus" unpack "$target" "$inputs"
	log=$build/$target.log
	if [ -n "$keep" ]; then
		least=$build/least/$target
		rm -rf "$least"
		mkdir -p "$least"
		"$fuzzer" -merge=1 -use_counters=0 "$least" "$inputs" 2>"$log"
		"$corpus" pack "$target" "$least"
		echo "$target: $(wc -l <"rust/fuzz/corpus/$target.txt") inputs kept"
	elif "$fuzzer" -max_total_time="$seconds" -timeout=10 -len_control=0 -artifact_prefix="$build/found/$target-" \
		"$inputs" 2>"$log"; then
		read -r _ runs _ _ took _ < <(grep '^Done ' "$log" | tail -1)
		echo "$target $runs" >>"$executions"
		echo "$target: $runs executions in $took s, $(find "$inputs" -type f | wc -l) inputs"
	else
		failed=1
		echo "$target: FAILED, see $log"
		grep -a 'panicked\|Test unit written' "$log" || tail -3 "$log"
		echo "  again: $corpus run $target FILE"
	fi
done
if [ -z "$keep" ]; then
	tail -n +$((before + 1)) "$executions" | count 'this run'
	count 'all runs' <"$executions"
fi
exit $failed
