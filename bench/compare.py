"""The speed table: Rushlight beside PyTorch, turn by turn, in one run.

    python bench/compare.py [--peer-python PATH] [--rounds N] [NAME ...]

The peer needs torch 2.13.0 in the interpreter PATH (default: this one). Each workload runs in a process of its own for each
framework, and the two take turns, so that a machine whose speed drifts slows both. The ratio is PyTorch's time over ours.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve()


def serve(module: str, name: str) -> None:
    """The child: builds one workload and times a block of steps for each line on its input."""
    torch = importlib.import_module(module)
    sys.path.insert(0, str(HERE.parent))
    workloads = importlib.import_module("workloads")
    torch.manual_seed(0)
    step = getattr(workloads, name)(torch)
    for _ in range(3):
        step()
    start = time.perf_counter()
    step()
    count = max(1, int(0.2 / max(time.perf_counter() - start, 1e-7)))
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(count):
            step()
        print(json.dumps((time.perf_counter() - start) / count), flush=True)


def ask(process: subprocess.Popen[str]) -> float:
    process.stdin.write("go\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def compare(name: str, pythons: list[str], rounds: int) -> tuple[float, float, float]:
    """Median seconds of both and the median ratio."""
    command = [str(HERE), "--serve"]
    pair = [
        subprocess.Popen([python, *command, module, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for python, module in zip(pythons, ("rushlight", "torch"), strict=True)
    ]
    try:
        for process in pair:
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError(f"{name}: a framework could not run it; see the message above")
        times = [[ask(p) for p in pair] for _ in range(rounds)]
    finally:
        for process in pair:
            process.kill()
    mine, peer = zip(*times, strict=True)
    return statistics.median(mine), statistics.median(peer), statistics.median(b / a for a, b in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", nargs=2)
    args = parser.parse_args()
    if args.serve:
        return serve(*args.serve)
    sys.path.insert(0, str(HERE.parent))
    workloads = importlib.import_module("workloads").ALL
    logs = []
    print("| workload | Rushlight ms | PyTorch ms | ratio |\n| --- | ---: | ---: | ---: |")
    for workload in workloads:
        if args.names and workload.__name__ not in args.names:
            continue
        mine, peer, ratio = compare(workload.__name__, [sys.executable, args.peer_python], args.rounds)
        logs.append(math.log(ratio))
        print(f"| {workload.__name__} | {mine * 1e3:.4f} | {peer * 1e3:.4f} | {ratio:.2f} |", flush=True)
    print(f"\ngeometric mean {math.exp(sum(logs) / len(logs)):.2f}")


if __name__ == "__main__":
    main()
