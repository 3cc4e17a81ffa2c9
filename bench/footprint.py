"""What Rushlight and PyTorch take from a machine before they do anything: disk, time of the import, memory after it.

    python bench/footprint.py [--peer-python PATH] [--rounds N]

The size on disk is that of the package and of what it requires, without NumPy, which both use. The import is timed in fresh
processes, turn by turn, after one that fills the disk's cache; memory is what the process has resident beyond bare Python.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

# Run by the interpreter of each framework: nothing but the standard library before the import.
CHILD = """
import sys, time
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
before, start = resident(), time.perf_counter()
__import__(sys.argv[1])
print(time.perf_counter() - start, resident() - before)
"""

DISK = """
import importlib.metadata as metadata, pathlib, re, sys
def requirements(name, seen):
    if name in seen or name == "numpy":
        return seen
    try:
        required = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return seen
    seen.add(name)
    for text in required:
        if "extra ==" not in text:
            requirements(re.match(r"[\\w.-]+", text).group().lower(), seen)
    return seen
def size(paths):
    return sum(p.stat().st_size for p in paths if p.is_file() and "__pycache__" not in p.parts)
name = sys.argv[1]
found = requirements(name, set())
package = pathlib.Path(__import__(name).__file__).parent
installed = [pathlib.Path(f.locate()) for d in sorted(found) for f in metadata.files(d) or []]
# a package that is run from its source tree is not installed: its folder is what counts
print(size(installed if any(p == package / "__init__.py" for p in installed) else package.rglob("*")))
"""


def ask(python: str, program: str, module: str) -> list[float]:
    done = subprocess.run([python, "-c", program, module], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{module} does not run in {python}: {done.stderr.strip().splitlines()[-1]}")
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    pair = [(sys.executable, "rushlight"), (args.peer_python, "torch")]
    runs: dict[str, list[list[float]]] = {"rushlight": [], "torch": []}
    for _ in range(args.rounds + 1):
        for python, module in pair:
            runs[module].append(ask(python, CHILD, module))
    print("|  | Rushlight | PyTorch |\n| --- | ---: | ---: |")
    disk = [ask(python, DISK, module)[0] / 1e6 for python, module in pair]
    times = [statistics.median(r[0] for r in runs[m][1:]) * 1e3 for _, m in pair]
    memory = [statistics.median(r[1] for r in runs[m][1:]) / 1e6 for _, m in pair]
    for label, unit, values in (("on disk", "MB", disk), ("import", "ms", times), ("resident after the import", "MB", memory)):
        print(f"| {label} | {values[0]:.0f} {unit} | {values[1]:.0f} {unit} |")


if __name__ == "__main__":
    main()
