"""Record files that PyTorch wrote: tests/recorded/*.pt. Run with PyTorch 2.13: python tools/record_files.py."""

import collections
from pathlib import Path

import torch

FOLDER = Path(__file__).parent.parent / "tests" / "recorded"
DTYPES = "float64 float16 bfloat16 int8 uint8 int16 int32 int64 bool complex64 complex128".split()


def values() -> dict[str, object]:
    """Tensors of every kind, sharing memory here and there, and everything else that is allowed by default."""
    base = torch.arange(12, dtype=torch.float32)
    return {
        "view": base[2:8].view(2, 3).t(),
        "strided": base[::2],
        "scalar": torch.tensor(3.0),
        "empty": torch.empty(0, 3),
        "conj": torch.tensor([1 + 2j]).conj(),
        "neg": torch.tensor([1 + 2j]).conj().imag,
        "uint16": torch.tensor([1, 65535], dtype=torch.uint16),
        "meta": torch.ones(2, 3, device="meta"),
        "requires_grad": torch.ones(2, requires_grad=True),
        "parameter": torch.nn.Parameter(base[:2].clone()),
        "size": torch.Size([1, 2]),
        "dtype": torch.bfloat16,
        "device": torch.device("cpu"),
        "set": {1, 2},
        "complex": 1j,
        "bytes": b"ab\xff",
        "bytearray": bytearray(b"x"),
        "counter": collections.Counter("aab"),
        "big": 2**70,
        "float": 1.5,
        "none": None,
        "tuple": (True, False),
        "ordered": collections.OrderedDict(b=1, a=2),
        **{name: torch.tensor([0, 1, 1]).to(getattr(torch, name)) for name in DTYPES},
    }


def main() -> None:
    """Write the files."""
    torch.manual_seed(0)
    FOLDER.mkdir(exist_ok=True)
    torch.save(values(), FOLDER / "values.pt")
    torch.save(values(), FOLDER / "values_legacy.pt", _use_new_zipfile_serialization=False)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    x = torch.linspace(-1, 1, 15).view(5, 3)
    model(x).square().sum().backward()
    optimizer.step()
    model.eval()
    checkpoint = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "grads": [p.grad for p in model.parameters()],
        "input": x,
        "output": model(x).detach(),
    }
    torch.save(checkpoint, FOLDER / "checkpoint.pt")
    optimizer.step()
    torch.save([p.detach() for p in model.parameters()], FOLDER / "checkpoint_next.pt")
    torch.save(model, FOLDER / "module.pt")


main()
