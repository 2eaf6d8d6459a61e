#!/bin/sh
# Builds every fuzz target with clang's libFuzzer, ASan and UBSan, and runs each for some seconds. Called by `make fuzz`.
#
#   tools/fuzz.sh SECONDS [TARGET...]      e.g. tools/fuzz.sh 600 yaml json
#
# New inputs are kept in build/libfuzzer/corpus/; what a target finds (crash-..., timeout-..., oom-...) in build/libfuzzer/.
set -eu
seconds=$1
shift
[ $# -gt 0 ] || set -- $(ls fuzz/fuzz_*.c | sed 's,.*/fuzz_\(.*\)\.c,\1,')
out=build/libfuzzer
san="address,undefined"
for target in "$@"; do
    make -s "$out/fuzz/$target" BUILD=$out CC=clang LTO= FUZZ_DRIVER= LDFLAGS="-fsanitize=fuzzer" \
        CFLAGS="-g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,$san -fno-sanitize-recover=undefined"
done
for target in "$@"; do
    mkdir -p "$out/corpus/$target"
    echo "== $target: $seconds s"
    dictionary=
    [ ! -f "fuzz/$target.dict" ] || dictionary="-dict=fuzz/$target.dict"
    # shellcheck disable=SC2086
    "$out/fuzz/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="$out/$target-" $dictionary "$out/corpus/$target" \
        $(test -d "fuzz/corpus/$target" && echo "fuzz/corpus/$target") 2>&1 |
        grep -E 'fuzz:|ERROR|SUMMARY|runtime error|number_of_executed|new_units' || true
    if ls "$out/$target-"* >/dev/null 2>&1; then
        echo "fuzz: $target found something: $(ls "$out/$target-"*)" >&2
        exit 1
    fi
done
