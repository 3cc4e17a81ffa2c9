#!/bin/sh
# Builds the extension for work on the sources: tools/dev.sh [python]
# The first run configures build/ for that Python (default: $PYTHON, then python3), which needs scikit-build-core's
# companions cmake and ninja and the two library wheels of pyproject.toml. Results go to rushlight/_C*.so and
# rushlight/lib; then PYTHONPATH=<source folder> is enough. One build runs at a time; others wait for it.
set -e
root=$(cd "$(dirname "$0")/.." && pwd)
python=${1:-${PYTHON:-python3}}
python=$(command -v "$python")
bin=$("$python" -c 'import sysconfig; print(sysconfig.get_path("scripts"))')
PATH="$bin:$PATH"
mkdir -p "$root/build"
exec 9>"$root/build/.lock"
flock 9
if [ ! -f "$root/build/build.ninja" ]; then
    cmake -S "$root" -B "$root/build" -G Ninja -DPython_EXECUTABLE="$python" ${RUSHLIGHT_CMAKE_ARGS:-}
fi
ninja -C "$root/build" -j "${RUSHLIGHT_JOBS:-2}" ${RUSHLIGHT_NINJA_ARGS:-}
