"""The alias: `import torch` means Rushlight. Each program runs in a process of its own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


def run(*args: str, code: str | None = None, cwd: Path | None = None, ok: bool = True) -> str:
    """The output of a Python process that finds Rushlight."""
    command = [sys.executable, *args] + (["-c", textwrap.dedent(code)] if code else [])
    result = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)
    assert (result.returncode == 0) is ok, result.stdout + result.stderr
    return result.stdout if ok else result.stderr


def test_script(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "import sys, torch\n"
        "from torch.nn import functional as F\n"
        "import torch.optim.lr_scheduler\n"
        "from helper import helped\n"
        "print(__name__, sys.argv[1:], sys.path[0], torch.__version__, torch.arange(3).sum().item(), helped)\n"
        "assert sys.modules['__main__'].__dict__ is globals()\n"
    )
    (tmp_path / "helper.py").write_text("import torch\nhelped = torch.__name__\n")
    out = run("-m", "rushlight.torch", str(script), "--a", "b", cwd=Path("/"))
    assert out.split("\n")[0] == f"__main__ ['--a', 'b'] {tmp_path} 2.13.0+rushlight 3 rushlight"


def test_exit_codes(tmp_path):
    script = tmp_path / "program.py"
    script.write_text("import sys\nsys.exit(3)\n")
    result = subprocess.run([sys.executable, "-m", "rushlight.torch", str(script)])
    assert result.returncode == 3
    assert "can't open file" in run("-m", "rushlight.torch", "nothing.py", ok=False)
    assert "ZeroDivisionError" in run("-m", "rushlight.torch", "-c", "1/0", ok=False)
    assert run("-m", "rushlight.torch", "-c", "import sys, torch; print(sys.argv)", "x") == "['-c', 'x']\n"


def test_module_option(tmp_path):
    (tmp_path / "prog.py").write_text("import torch, sys\nprint(__name__, sys.argv[1:], torch.__version__)\n")
    out = run("-m", "rushlight.torch", "-m", "prog", "y", cwd=tmp_path)
    assert out == "__main__ ['y'] 2.13.0+rushlight\n"


def test_names_are_the_same_objects():
    run(
        code="""
        import sys, importlib.metadata, importlib.util
        import rushlight, rushlight.torch
        rushlight.torch.install()
        rushlight.torch.install()
        import torch, torch.nn as nn
        import torch.utils.data
        from torch.optim.lr_scheduler import StepLR
        assert torch is rushlight and nn is rushlight.nn
        assert torch.utils.data.DataLoader is rushlight.utils.data.DataLoader
        for name in list(sys.modules):
            if name.startswith("torch."):
                assert sys.modules[name] is sys.modules["rushlight" + name[5:]], name
        assert importlib.metadata.version("torch") == "2.13.0+rushlight"
        assert importlib.metadata.version("pytest")
        assert importlib.util.find_spec("torch").origin == rushlight.__file__
        assert importlib.util.find_spec("torch.nn").submodule_search_locations
        assert importlib.util.find_spec("torch.nothing") is None
        assert not hasattr(torch, "nothing") and not hasattr(torch.distributed, "init_process_group")
        try: torch.nothing
        except AttributeError as error: assert "nothing" in str(error) and "rushlight" in str(error)
        try: import torch.nothing
        except ModuleNotFoundError as error: assert error.name == "torch.nothing"
        else: raise AssertionError
        assert nn.Linear.__module__ == "torch.nn.modules.linear" and nn.__spec__.name == "rushlight.nn"
    """
    )


def test_dotted_imports_of_programs():
    """Modules that programs import by name, flags of back ends among them, which have no file of their own."""
    run(code="""
        import rushlight.torch; rushlight.torch.install()
        import importlib, sys
        names = "backends.cudnn backends.mps backends.mkldnn backends.cuda backends.openmp cuda cuda.amp amp utils.data utils.data.distributed " \
            "utils.data.dataloader utils.checkpoint utils.model_zoo utils.dlpack utils.hooks nn.functional nn.init nn.utils nn.utils.rnn " \
            "nn.utils.parametrizations nn.modules.utils nn.modules.conv nn.parameter nn.parallel optim.lr_scheduler optim.optimizer optim.swa_utils " \
            "autograd.function autograd.functional autograd.profiler multiprocessing distributed distributions.kl fft linalg special hub jit func " \
            "masked sparse storage serialization profiler random version testing types nn.attention utils._pytree"
        for name in names.split():
            module = importlib.import_module("torch." + name)
            assert sys.modules["torch." + name] is module and module.__name__.endswith(name), name
        import torch, torch.backends.cudnn as cudnn
        cudnn.benchmark = True
        assert torch.backends.cudnn is cudnn and torch.backends.cudnn.benchmark is True
    """)


def test_pickles_name_torch():
    run(
        code="""
        import pickle, pickletools
        import rushlight.torch
        rushlight.torch.install()
        import torch
        optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)])
        objects = [torch.nn.Linear(2, 2), torch.ones(2), torch.float32, optimizer]
        data = pickle.dumps(objects)
        named = [a for o, a, _ in pickletools.genops(data) if isinstance(a, str) and "rushlight" in a]
        assert not named, named
        model, ones, dtype, optimizer = pickle.loads(data)
        assert model.in_features == 2 and ones.tolist() == [1, 1] and dtype is torch.float32
    """
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_have_it(method, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "import torch, multiprocessing, importlib.metadata\n"
        "def work(queue, tensor):\n"
        "    import torch.nn\n"
        "    queue.put((importlib.metadata.version('torch'), (tensor * 2).tolist()))\n"
        "if __name__ == '__main__':\n"
        f"    context = multiprocessing.get_context({method!r})\n"
        "    queue = context.Queue()\n"
        "    process = context.Process(target=work, args=(queue, torch.ones(2)))\n"
        "    process.start(); print(queue.get(timeout=60)); process.join()\n"
    )
    assert run("-m", "rushlight.torch", str(script)) == "('2.13.0+rushlight', [2.0, 2.0])\n"


def test_refuses_beside_another_torch(tmp_path):
    (tmp_path / "torch.py").write_text("x = 1\n")
    out = run(
        code=f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import torch
        import rushlight.torch
        try: rushlight.torch.install()
        except ImportError as error: print(error)
    """
    )
    assert "the real torch is already imported" in out and "torch.py" in out


def test_ipython_extension():
    run(
        code="""
        import rushlight.torch
        rushlight.torch.load_ipython_extension(None)
        import torch
        assert torch.__version__.endswith("+rushlight") and rushlight.torch.is_installed()
    """
    )


def test_without_it_torch_is_not_touched():
    run(code="import rushlight, sys; import rushlight.nn; assert 'torch' not in sys.modules")
