"""`python -m rushlight.torch script.py args…`: run a program that says `import torch` on Rushlight.

Also `-m module args…` and `-c "code" args…`, as of Python itself.
"""

import builtins
import importlib.machinery
import io
import os
import runpy
import sys
import types

from rushlight.torch import install

_USAGE = "usage: python -m rushlight.torch [script.py | -m module | -c code] [argument ...]"


def _run_code(code: str, filename: str, shown: str) -> None:
    """Run source as the main module, which stays the main module until the end, as Python's does."""
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    if filename != "<string>":
        main.__file__ = filename
        main.__loader__ = importlib.machinery.SourceFileLoader("__main__", filename)
    main.__spec__ = None
    sys.modules["__main__"] = main
    exec(compile(code, shown, "exec"), main.__dict__)


def _run_script(path: str) -> None:
    if not os.path.exists(path):
        print(f"{sys.executable}: can't open file {os.path.abspath(path)!r}: [Errno 2] No such file", file=sys.stderr)
        raise SystemExit(2)
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path) or path.endswith((".zip", ".pyz", ".pyc")):
        runpy.run_path(path, run_name="__main__")
        return
    with io.open_code(os.path.abspath(path)) as file:
        source = file.read()
    _run_code(source, path, path)  # type: ignore[arg-type]


def main() -> None:
    """Take the command line apart and run the program."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE)
        raise SystemExit(0 if arguments else 2)
    install()
    option, rest = arguments[0], arguments[1:]
    if option in ("-m", "-c"):
        if not rest:
            print(_USAGE, file=sys.stderr)
            raise SystemExit(2)
        if not sys.flags.safe_path:
            sys.path[0] = os.getcwd() if option == "-m" else ""
        sys.argv = [option, *rest[1:]] if option == "-c" else rest
        if option == "-m":
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        else:
            _run_code(rest[0], "<string>", "<string>")
        return
    sys.argv = arguments
    _run_script(option)


main()
