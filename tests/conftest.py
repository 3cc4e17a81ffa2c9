"""Child processes import the package under test, whatever folder the suite is started from."""

import os
from pathlib import Path

import pytest

import rushlight


@pytest.fixture(scope="session", autouse=True)
def _children_find_the_package():
    # `python -c` looks in the current folder first: in the source folder it would find a package without its extension.
    os.chdir(Path(__file__).parent)
    paths = [str(Path(rushlight.__file__).parent.parent), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
