"""What tools make from the registry and the docstrings: type stubs and pages."""

import importlib.util
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def tool(name):
    spec = importlib.util.spec_from_file_location(f"tool_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("namespace", tool("docs").NAMESPACES)
def test_every_public_name_has_a_text_and_stands_in_its_page(namespace):
    docs = tool("docs")
    page = (docs.FOLDER / f"{'.'.join(filter(None, ['rushlight', namespace]))}.md").read_text()
    for name, value in docs.public(namespace):
        assert f"`{name}" in page, f"{name} is not in its page: run tools/docs.py"
        if callable(value):
            assert (inspect.getdoc(value) or "").strip(), f"{name} has no text"


def test_stubs_are_up_to_date():
    import rushlight

    stubs = tool("stubs")
    for path, text in stubs.files(rushlight).items():
        assert path.read_text() == text, f"{path.name} is not up to date: run tools/stubs.py"
