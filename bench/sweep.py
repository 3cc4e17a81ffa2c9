"""Every operator at three sizes, in Rushlight and in PyTorch, turn by turn.

    python bench/sweep.py [--peer-python PATH] [--only REGEX] [--sizes 8,4096,1048576] [--worst N] [--threads N] [--turns N]

The cases (sweep_cases.py) are expressions in torch's names, and every operator of the registry with its sample, which
is named behind the call. Both frameworks evaluate the same text in processes of their own. The ratio is PyTorch's time
over ours. Without torch 2.13.0 in the interpreter PATH (default: this one) only our own times are printed.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import math
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from sweep_cases import cases, inputs, sample_names

HERE = pathlib.Path(__file__).resolve()
SIZES = (8, 4096, 1 << 20)


def serve(module: str, threads: int) -> None:
    """The child: times an expression for each line on its input."""
    torch = importlib.import_module(module)
    torch.set_num_threads(threads)
    made: dict[int, dict[str, Any]] = {}
    for line in sys.stdin:
        n, text, registered = json.loads(line)
        try:
            if registered:
                names = sample_names(torch, **registered)
            else:
                made = made if n in made else {n: inputs(torch, n)}
                names = made[n]
            print(json.dumps(best_time(loop_of(text, names))), flush=True)
        except Exception as error:
            print(json.dumps(f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"), flush=True)


def loop_of(text: str, names: dict[str, Any]) -> Callable[[int], None]:
    """A function that evaluates the expression so many times: the loop itself, for a call of its own takes as long as a small operator."""
    scope: dict[str, Any] = {}
    exec(f"def evaluate(count, {', '.join(names)}):\n    for _ in range(count):\n        {text}\n", scope)
    return functools.partial(scope["evaluate"], **names)


def best_time(loop: Callable[[int], None]) -> float:
    """Seconds of an evaluation: the best of several blocks of some milliseconds. The first may import or plan, and is left out."""

    def timed(count: int) -> float:
        start = time.perf_counter()
        loop(count)
        return (time.perf_counter() - start) / count

    loop(1)
    once = timed(1)
    count = max(1, min(5000, int(0.003 / max(once, 1e-7))))
    return min(once, *(timed(count) for _ in range(6 if once < 0.1 else 2)))


def ask(process: subprocess.Popen[str], case: list[Any]) -> float | str:
    time.sleep(0.02)  # the other framework's threads may still spin in wait of work
    process.stdin.write(json.dumps(case) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError(f"the process ended at {case[1]} with {case[0]} elements")
    return json.loads(answer)


def best_of_turns(mine: Any, peer: Any, case: list[Any], turns: int) -> tuple[Any, Any]:
    """The best times of both; one turn alone would often measure what else the machine did at the time."""
    pairs = [(ask(mine, case), ask(peer, case) if peer else None) for _ in range(turns)]
    return tuple(
        min(times) if all(isinstance(t, float) for t in times) else times[0] for times in zip(*pairs, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--only", default="")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--worst", type=int, default=0, help="print only the N smallest ratios of each size")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--turns", type=int, default=3, help="times each framework has its turn at a case; the best counts"
    )
    parser.add_argument("--serve")
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve, args.threads)
    start = [str(HERE), "--threads", str(args.threads), "--serve"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    mine = subprocess.Popen([sys.executable, *start, "rushlight"], **pipes)
    peer = None
    if subprocess.run([args.peer_python, "-c", "import torch"], capture_output=True).returncode == 0:
        peer = subprocess.Popen([args.peer_python, *start, "torch"], **pipes)
    print("| n | expression | Rushlight us | PyTorch us | ratio |\n| ---: | --- | ---: | ---: | ---: |")
    for n in map(int, args.sizes.split(",")):
        rows = []
        for text, registered in cases(n):
            if not re.search(args.only, text):
                continue
            ours, theirs = best_of_turns(mine, peer, [n, text, registered], args.turns)
            ratio = theirs / ours if isinstance(ours, float) and isinstance(theirs, float) else math.nan
            rows.append((ratio, f"| {n} | `{text}` | {shown(ours)} | {shown(theirs)} | {ratio:.2f} |"))
        rows.sort(key=lambda row: (not math.isnan(row[0]), row[0]))
        print(*(text for _, text in rows[: args.worst or None]), sep="\n", flush=True)
        known = [ratio for ratio, _ in rows if not math.isnan(ratio)]
        if known:
            below = sum(ratio < 1 for ratio in known)
            mean = math.exp(sum(map(math.log, known)) / len(known))
            print(f"\n{n} elements: {len(known)} cases, {below} slower than PyTorch, geometric mean {mean:.2f}\n")


def shown(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value * 1e6:.2f}"


if __name__ == "__main__":
    main()
