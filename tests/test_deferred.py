"""Submodules load when they are first looked into, once, and stay the same object."""

import subprocess
import sys
import textwrap


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_what_is_not_used_is_not_loaded():
    heavy = "rushlight.nn rushlight.optim rushlight.distributions rushlight.utils.data zipfile hashlib inspect numpy".split()
    assert run(f"import rushlight, sys; print([m for m in {heavy} if m in sys.modules])").strip() == "[]"


def test_a_submodule_stays_the_object_that_was_taken():
    run("""
        import sys, types
        import rushlight as torch
        from rushlight import distributions as early, fft
        assert "rushlight.distributions" not in sys.modules and isinstance(early, types.ModuleType)
        normal = early.Normal(0.0, 1.0)
        assert type(early) is types.ModuleType and early is sys.modules["rushlight.distributions"] is torch.distributions
        import rushlight.fft
        assert rushlight.fft is fft and type(fft) is types.ModuleType and "fftn" in dir(fft)
        assert early.__spec__.name == early.__name__ == "rushlight.distributions" and "distributions" in repr(early)
    """)


def test_writing_into_a_submodule_loads_it_first():
    run("""
        import rushlight as torch
        torch.linalg.norm = 5
        assert torch.linalg.norm == 5 and callable(torch.linalg.inv)
        del torch.special.erf
        assert not hasattr(torch.special, "erf") and callable(torch.special.erfc)
    """)


def test_threads_wait_for_a_submodule():
    assert run("""
        import rushlight as torch
        from concurrent.futures import ThreadPoolExecutor
        names = ["Linear", "Conv2d", "LSTM", "Transformer", "functional", "utils", "CrossEntropyLoss", "Module"] * 4
        with ThreadPoolExecutor(32) as pool:
            print(all(pool.map(lambda n: getattr(torch.nn, n) is not None, names)))
    """).strip() == "True"


def test_a_submodule_that_fails_to_load_can_be_tried_again():
    run("""
        import sys
        import rushlight as torch
        sys.modules["rushlight.nn.modules"] = None
        for _ in range(2):
            try: torch.nn.Linear
            except ImportError: pass
            else: raise AssertionError
        del sys.modules["rushlight.nn.modules"]
        assert torch.nn.Linear(2, 3).in_features == 2
    """)


def test_every_deferred_submodule_exists():
    run("""
        import rushlight, importlib, types
        from rushlight import _deferred
        while names := [n for n in _deferred._deferred if n != "rushlight.torch"]:
            for name in names:
                assert isinstance(importlib.import_module(name), types.ModuleType), name
    """)
