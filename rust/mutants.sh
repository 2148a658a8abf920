#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mutants.sh ham|spdm [OPTION...]
#
# Runs cargo-mutants (cargo install --locked cargo-mutants) with these options over a crate: it changes one thing after the
# other, and each change should make a test fail. Those that do not stand in build/mutants/CRATE/mutants.out/missed.txt.
# The slow tests only meet what the others have not noticed. All of spdm takes hours: -f rust/spdm/FILE.rs takes one file.
#
# It works on a copy, because cargo-mutants looks for the modules of a mounted file in the wrong place unless its name is
# mod.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
crate=$1
shift
tree=build/mutants/tree
rm -rf "$tree"
mkdir -p "$tree"
git ls-files -z | xargs -0 cp --parents -t "$tree"
mv "$tree/rust/$crate/$crate.rs" "$tree/rust/$crate/mod.rs"
sed -i "s/\"$crate.rs\"/\"mod.rs\"/" "$tree/rust/$crate/lib.rs"
out=$PWD/build/mutants/$crate
mkdir -p "$out"
cd "$tree"

slow=()
if [ "$crate" = spdm ]; then
	for tests in hostile kinds pss vectors pin::recorded summary::recorded \
		flows::chunks_both_ways host::signatures; do
		slow+=(--skip "tests::$tests")
	done
fi
mutants() {
	cargo mutants --in-place --package "$crate" --output "$out" "$@"
}
mutants "$@" -- --lib -- "${slow[@]}" || case $? in
	2 | 3) ;; # some were missed, some ran into the time limit
	*) exit 1 ;;
esac
mutants --iterate "$@" -- --lib
