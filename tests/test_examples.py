"""The examples run as a newcomer runs them, in processes of their own, and do what they promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments], capture_output=True, text=True, timeout=240, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def is_png(path: Path) -> bool:
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 5000


def test_digits_learns_to_98_per_cent_and_shows_what_it_learned(tmp_path):
    for package in ("sklearn", "matplotlib", "tqdm"):
        pytest.importorskip(package)
    text = run("digits.py", tmp_path, "--out", str(tmp_path))
    accuracy = float(re.search(r"^test accuracy: (\d+\.\d) %$", text, re.M).group(1))
    assert accuracy >= 98.0
    rows = re.findall(r"^ +(\d) +([01]\.\d+) +([01]\.\d+) +([01]\.\d+)$", text, re.M)
    assert [int(r[0]) for r in rows] == list(range(10))
    matrix = [list(map(int, line.split())) for line in text.split("confusion matrix", 1)[1].splitlines()[1:11]]
    right = sum(matrix[i][i] for i in range(10))
    assert round(100 * right / sum(map(sum, matrix)), 1) == accuracy
    for i, (_, precision, recall, f1) in enumerate(rows):
        p, r = matrix[i][i] / sum(row[i] for row in matrix), matrix[i][i] / sum(matrix[i])
        assert (precision, recall, f1) == (f"{p:.3f}", f"{r:.3f}", f"{2 * p * r / (p + r):.3f}")
    assert is_png(tmp_path / "curves.png") and is_png(tmp_path / "predictions.png") and (tmp_path / "model.pt").exists()


@pytest.mark.parametrize("name", ["linear_regression.py", "mlp.py"])
def test_a_first_program_prints_and_draws(name, tmp_path):
    pytest.importorskip("matplotlib")
    text = run(name, tmp_path)
    assert text.strip()
    drawn = list(tmp_path.glob("*.png"))
    assert drawn and all(map(is_png, drawn))
