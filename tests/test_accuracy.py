"""Special and elementary functions are as accurate as docs/accuracy.md says (tools/ulps.py made it)."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mpmath")
ROOT = Path(__file__).resolve().parent.parent
POINTS = 40


def _tool():
    spec = importlib.util.spec_from_file_location("tool_ulps", ROOT / "tools" / "ulps.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = _tool()


def _said() -> dict[str, tuple[float, float]]:
    """Function to the worst ulps that the page gives for float32 and float64."""
    page = (ROOT / "docs" / "accuracy.md").read_text()
    found = re.findall(r"^\| `([\w.]+)`[^|]*\|[^|]*\| ([\d.]+) \|[^|]*\| ([\d.]+) \|", page, re.M)
    return {name: (float(a), float(b)) for name, a, b in found}


@pytest.mark.parametrize("row", TOOL.ROWS, ids=lambda row: row.name)
def test_errors_stay_within_what_the_page_says(row):
    # Levels of the instruction set round a little differently: half an ulp more is allowed.
    for dtype, said in zip((np.float32, np.float64), _said()[row.name], strict=True):
        ulps, _ = TOOL.measure(row, dtype, POINTS)
        assert ulps <= said + 0.5, (dtype, ulps, said)
