#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs cargo-deny on the host crates. It is built once, into the cache of the environment: that takes some minutes, and rustc 1.88.
set -eu
version=0.20.2
tools=${XDG_CACHE_HOME:-$HOME/.cache}/issei/cargo-deny-$version
cd "$(dirname "$0")/.."

if [ ! -x "$tools/bin/cargo-deny" ]; then
	mkdir -p "${tools%/*}"
	part=$(mktemp -d "$tools.XXXXXX")
	trap 'rm -rf "$part"' EXIT
	cargo install --locked --root "$part" --target-dir "$part/target" cargo-deny@$version
	rm -rf "$part/target"
	# Somebody else may have been faster, with the same.
	[ -e "$tools" ] || mv -T "$part" "$tools"
fi
# From here on no network: crates come from cargo's own cache, as for every build.
exec "$tools/bin/cargo-deny" --offline --locked --workspace check licenses bans sources
