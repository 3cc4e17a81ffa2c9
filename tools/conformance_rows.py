"""Writes or checks the list of conformance rows that pass.

python tools/conformance_rows.py write tests/conformance_floor.txt FOLDER     FOLDER holds ops.json, modules.json, optims.json
python tools/conformance_rows.py check tests/conformance_floor.txt FOLDER     exits 1 where a listed row fails
"""

from __future__ import annotations

import json
import pathlib
import sys


def passing(folder: pathlib.Path) -> tuple[set[str], dict[str, list[str]]]:
    """Rows that pass, as "ops add", and why the others fail."""
    good, why = set(), {}
    for path in sorted(folder.glob("*.json")):
        for row, result in json.loads(path.read_text()).items():
            name = f"{path.stem} {row}"
            if result["ok"]:
                good.add(name)
            else:
                why[name] = result["fails"]
    return good, why


def main() -> int:
    action, listed, folder = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    good, why = passing(folder)
    if action == "write":
        listed.write_text("".join(f"{row}\n" for row in sorted(good)))
        print(f"{len(good)} rows written to {listed}")
        return 0
    floor = set(listed.read_text().splitlines())
    lost = sorted(floor - good)
    for row in lost:
        print(f"lost: {row}: {why.get(row, ['the row is gone'])[:1]}")
    print(f"conformance floor: {len(floor) - len(lost)} of {len(floor)} rows still pass; {len(good - floor)} more pass")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
