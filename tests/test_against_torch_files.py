"""PyTorch reads what Rushlight writes. Needs PyTorch: the only tests of files that do."""

import io

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: whether it reads our files cannot be tested")

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch as pytorch

import rushlight

if "rushlight" in pytorch.__version__:
    pytest.skip("torch is Rushlight here", allow_module_level=True)


pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's own


def cross(obj, **kwargs):
    """Save with Rushlight, load with PyTorch."""
    file = io.BytesIO()
    rushlight.save(obj, file, **kwargs)
    file.seek(0)
    return pytorch.load(file)


def values():
    base = rushlight.arange(12, dtype=rushlight.float32)
    names = "float64 float16 bfloat16 int8 uint8 int16 int32 int64 bool complex64 complex128 uint16".split()
    return {
        "view": base[2:8].view(2, 3).t(),
        "strided": base[::2],
        "conj": rushlight.tensor([1 + 2j]).conj(),
        "neg": rushlight.tensor([1 + 2j]).conj().imag,
        "parameter": rushlight.nn.Parameter(base[:2].clone()),
        "meta": rushlight.empty(2, 3, device="meta"),
        "size": rushlight.Size([1, 2]),
        "dtype": rushlight.bfloat16,
        "device": rushlight.device("cpu"),
        "rest": [{1, 2}, 1j, b"ab\xff", 2**70, None, (True, False)],
        **{name: rushlight.tensor([0, 1, 1]).to(getattr(rushlight, name)) for name in names},
    }


@pytest.mark.parametrize("kwargs", [{}, {"_use_new_zipfile_serialization": False}])
def test_values(kwargs):
    ours = values()
    if kwargs:
        del ours["uint16"]  # PyTorch does not read this dtype from its old format, its own files included
    theirs = cross(ours, **kwargs)
    for name, value in ours.items():
        other = theirs[name]
        if isinstance(value, rushlight.Tensor):
            assert type(other) is (pytorch.nn.Parameter if name == "parameter" else pytorch.Tensor)
            assert str(other.dtype) == str(value.dtype) and other.stride() == value.stride()
            if not value.is_meta:
                assert other.tolist() == value.tolist()
        else:
            assert str(other) == str(value)
    assert theirs["view"].untyped_storage().data_ptr() == theirs["strided"].untyped_storage().data_ptr()


def test_checkpoints_of_a_model_and_its_optimizer():
    def build(torch):
        nn = torch.nn
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        return model, torch.optim.Adam(model.parameters(), lr=0.01)

    def step(torch, model, optimizer):
        optimizer.zero_grad()
        model(torch.linspace(-1, 1, 15).view(5, 3)).square().sum().backward()
        optimizer.step()

    model, optimizer = build(rushlight)
    step(rushlight, model, optimizer)
    state = cross({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    other, other_optimizer = build(pytorch)
    other.load_state_dict(state["model"])
    other_optimizer.load_state_dict(state["optimizer"])
    step(rushlight, model, optimizer)
    step(pytorch, other, other_optimizer)
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert ours.flatten().tolist() == pytest.approx(theirs.flatten().tolist(), rel=1e-4, abs=1e-6)


def test_modules_and_alignment(tmp_path):
    path = tmp_path / "model.pt"
    rushlight.save(rushlight.nn.Linear(3, 2), path)
    loaded = pytorch.load(path, weights_only=False)
    assert type(loaded) is pytorch.nn.Linear and loaded.weight.shape == (2, 3)
    rushlight.save(rushlight.arange(5), path)
    assert pytorch.load(path, mmap=True).tolist() == [0, 1, 2, 3, 4]
