#!/usr/bin/env bash
# Holds Rushlight against the real PyTorch on its own test inputs, where both can be had: rows that passed before
# (tests/conformance_floor.txt) must still pass. Says so when it did not run.
#
#   CONFORMANCE=path/to/conformance.py bash tools/conformance_floor.sh
set -euo pipefail
cd "$(dirname "$0")/.."
root=$(pwd)
script=${CONFORMANCE:-$root/../shared/conformance/conformance.py}
if [ ! -f "$script" ]; then
    echo "conformance floor: not run, there is no $script"
    exit 0
fi
if [ ! -f tests/conformance_floor.txt ]; then
    echo "conformance floor: not run, no rows are listed in tests/conformance_floor.txt"
    exit 0
fi
python=${PYTHON:-.venv/bin/python}
if ! "$python" -c 'import torch, sys; sys.exit(torch.__version__.split("+")[0] != "2.13.0")' 2>/dev/null; then
    if ! "$python" -m pip install -q torch==2.13.0 expecttest hypothesis pyyaml pytest; then
        echo "conformance floor: not run, torch 2.13.0 cannot be had"
        exit 0
    fi
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
python=$(realpath -s "$python")
cd "$out"
for what in ops modules optims; do
    "$python" "$script" $what --json "$out/$what.json" >"$out/$what.log" 2>&1 || true
    tail -n 1 "$out/$what.log"
done
"$python" "$root/tools/conformance_rows.py" check "$root/tests/conformance_floor.txt" "$out"
