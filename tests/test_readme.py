"""The README's programs run, its translation shows the same ones, and its commands are those that are run elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("path", READMES, ids=lambda p: p.name)
def test_python_of_the_readme_runs(path, tmp_path):
    programs = blocks(path, "python")
    assert programs
    for text in programs:
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]


def test_first_program_finds_the_line():
    text = next(t for t in blocks(READMES[0], "python") if "slope" in t)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120)
    slope, intercept = map(float, re.fullmatch(r"slope ([\d.]+), intercept ([\d.]+)\n", done.stdout).groups())
    assert abs(slope - 2) < 0.05 and abs(intercept - 3) < 0.05


def test_the_translation_shows_the_same_programs_commands_and_figures():
    english, chinese = READMES
    for language in ("python", "sh"):
        assert [strip_comments(t) for t in blocks(english, language)] == [strip_comments(t) for t in blocks(chinese, language)]
    assert figures(english) == figures(chinese)


def strip_comments(text: str) -> str:
    return re.sub(r"#.*", "", text)


def figures(path: Path) -> list[list[str]]:
    """The numbers in each row of the tables."""
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    return [sorted(re.findall(r"\d+(?:\.\d+)?", row)) for row in rows]


def test_a_script_runs_through_the_alias_as_the_readme_says(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys, torch\nprint(torch.__version__, *sys.argv[1:])\n")
    done = subprocess.run(
        [sys.executable, "-m", "rushlight.torch", str(script), "--its", "--arguments"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "2.13.0+rushlight --its --arguments\n"
