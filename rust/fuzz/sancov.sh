#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Calls rustc (its first argument) and makes what is fuzzed tell libFuzzer what code it reaches.
case $CARGO_PKG_NAME in
fuzz | ham | spdm)
	exec "$@" -Cpasses=sancov-module \
		-Cllvm-args=-sanitizer-coverage-level=4 \
		-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
		-Cllvm-args=-sanitizer-coverage-pc-table \
		-Cllvm-args=-sanitizer-coverage-trace-compares
	;;
*)
	exec "$@"
	;;
esac
