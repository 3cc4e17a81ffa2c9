"""Records what PyTorch does with each operator's sample in each dtype: tests/recorded/dtypes.json.

python tools/record_dtypes.py        needs torch 2.13 beside Rushlight

For every operator of the registry whose public function (or method) PyTorch has, too, the call of tests/samples.py is made with
its tensors in each of twelve dtypes. A letter of the row says what came of it: the result's dtype, or the exception's type.
"""

from __future__ import annotations

import importlib
import json
import pathlib
import sys
import warnings
from typing import Any

TESTS = pathlib.Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))

import dtype_rows  # noqa: E402  (tests/dtype_rows.py: what a row is, for the recorder and for the test)


def main() -> None:
    warnings.simplefilter("ignore")
    torch: Any = importlib.import_module("torch")
    rushlight: Any = importlib.import_module("rushlight")
    rows = {}
    for op in rushlight._C._registry():
        key = dtype_rows.name_of(op)
        if not op["name"].startswith("_") and dtype_rows.public(torch, op) is not None:
            rows[key] = dtype_rows.row(torch, op)
    named = {n: t for n, t in vars(torch.return_types).items() if isinstance(t, type) and issubclass(t, tuple) and n[0] != "_"}
    types = {n: list(t.__match_args__) for n, t in named.items() if hasattr(t, "__match_args__")}
    out = {"torch": torch.__version__.split("+")[0], "dtypes": list(dtype_rows.DTYPES), "letters": dtype_rows.LETTERS}
    lines = [f'"{k}": {json.dumps(v)}' for k, v in out.items()]
    lines += ['"rows": {\n' + ",\n".join(f' "{k}": {json.dumps(v)}' for k, v in rows.items()) + "\n}"]
    lines += ['"return_types": {\n' + ",\n".join(f' "{k}": {json.dumps(v)}' for k, v in sorted(types.items())) + "\n}"]
    (TESTS / "recorded" / "dtypes.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(rows)} operators, {len(types)} types of results")


if __name__ == "__main__":
    main()
