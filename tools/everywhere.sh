#!/usr/bin/env bash
# The core part of the test suite (-m core) on every instruction set level, on the build without oneDNN and on the build
# with address and undefined-behaviour sanitizers.
#
#   bash tools/everywhere.sh levels   only the instruction set levels, without building
#   bash tools/everywhere.sh          PYTHON: an interpreter with rushlight[test] installed (default .venv/bin/python)
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
bin=$(dirname "$python")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

core() { # core LABEL PYTHON [VARIABLE=VALUE ...]
    echo "-- core tests: $1"
    local interpreter=$2
    shift 2
    (cd tests && env "$@" "$interpreter" -m pytest -q -m core -p no:cacheprovider --capture=sys .)
}

for level in base v3 v4; do
    core "$level" "$(realpath -s "$python")" RUSHLIGHT_ISA=$level
done

if [ "${1:-}" = levels ]; then
    exit 0
fi

variant() { # variant NAME OPTION=VALUE-FOR-CMAKE [VARIABLE=VALUE ...]
    local name=$1 option=$2
    shift 2
    "$python" -m venv --system-site-packages "$scratch/$name"
    # the packages of the first environment, but not its rushlight
    local site
    site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    "$scratch/$name/bin/python" - "$site" <<'PY'
import os, sys, sysconfig
target = sysconfig.get_path("purelib")
for entry in os.listdir(sys.argv[1]):
    if not entry.startswith("rushlight") and not os.path.exists(os.path.join(target, entry)):
        os.symlink(os.path.join(sys.argv[1], entry), os.path.join(target, entry))
PY
    "$scratch/$name/bin/python" -m pip install -q --no-deps . -C "cmake.define.$option" -C "build-dir=$scratch/build-$name"
    core "$name" "$scratch/$name/bin/python" "$@"
}

variant fallback RUSHLIGHT_ONEDNN=OFF
if [ "$(uname -m)" = x86_64 ]; then
    # the sanitizer must find the C++ library beside it, as Python itself does not load one
    preloaded="$(g++ -print-file-name=libasan.so) $(realpath "$(g++ -print-file-name=libstdc++.so.6)")"
    variant sanitize RUSHLIGHT_SANITIZE=ON LD_PRELOAD="$preloaded" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1 RUSHLIGHT_ISA=v3
fi
