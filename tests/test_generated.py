"""What tools make from the registry and the docstrings, stubs and pages, is up to date and leaves nothing out.

The tools run in processes of their own: names that are made when they are first asked for would differ otherwise.
"""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parent.parent / "tools"


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="made with Python 3.11; other versions print signatures differently")
@pytest.mark.parametrize("tool", ["stubs", "docs"])
def test_made_files_are_up_to_date_and_every_public_name_has_a_text(tool):
    done = subprocess.run([sys.executable, str(TOOLS / f"{tool}.py"), "--check"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
