#!/bin/sh
# Builds every fuzz target with clang's libFuzzer, ASan and UBSan, and runs each for some seconds. Called by `make fuzz`.
#
#   tools/fuzz.sh SECONDS [TARGET...]      e.g. tools/fuzz.sh 600 yaml json
set -eu
seconds=$1
shift
[ $# -gt 0 ] || set -- $(ls fuzz/fuzz_*.c | sed 's,.*/fuzz_\(.*\)\.c,\1,')
mkdir -p build/fuzz
flags="-std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -Icsrc"
core=$(ls csrc/base/*.c csrc/doc/*.c csrc/api/*.c csrc/store/*.c csrc/apiserver/*.c csrc/engine/*.c)
for target in "$@"; do
    # shellcheck disable=SC2086
    clang $flags "fuzz/fuzz_$target.c" $core -lyaml -o "build/fuzz/$target"
    mkdir -p "build/fuzz/corpus-$target"
    echo "== $target: $seconds s"
    "build/fuzz/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
        "build/fuzz/corpus-$target" $(test -d "fuzz/corpus/$target" && echo "fuzz/corpus/$target") 2>&1 | grep -E 'ERROR|SUMMARY|number_of_executed|new_units' || true
    if ls crash-* leak-* timeout-* oom-* >/dev/null 2>&1; then
        echo "fuzz: $target found something: $(ls crash-* leak-* timeout-* oom-* 2>/dev/null)" >&2
        exit 1
    fi
done
