"""Files: PyTorch's load here, ours keep everything, and nothing in a file is ever executed by default."""

import collections
import copy
import io
import os
import pickle
import random
import zipfile
from pathlib import Path

import pytest

import rushlight as torch
from rushlight import serialization

RECORDED = Path(__file__).parent / "recorded"
DTYPES = "float64 float16 bfloat16 int8 uint8 int16 int32 int64 bool complex64 complex128".split()


def round_trip(obj, **kwargs):
    file = io.BytesIO()
    torch.save(obj, file)
    file.seek(0)
    return torch.load(file, **kwargs)


def pack(data: bytes, **records: bytes) -> io.BytesIO:
    """An archive with this pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", data)
        archive.writestr("a/version", "3\n")
        archive.writestr("a/byteorder", "little")
        for name, content in records.items():
            archive.writestr(f"a/data/{name.removeprefix('s')}", content)
    file.seek(0)
    return file


def check_values(values):
    assert values["view"].tolist() == [[2, 5], [3, 6], [4, 7]] and values["view"].stride() == (1, 3)
    assert values["strided"].tolist() == [0, 2, 4, 6, 8, 10] and values["strided"].stride() == (2,)
    values["strided"][1] = -1.0  # shares memory with the view
    assert values["view"][0, 0].item() == -1
    values["strided"][1] = 2.0
    assert values["scalar"].shape == () and values["scalar"].item() == 3
    assert values["empty"].shape == (0, 3)
    assert values["conj"].tolist() == [1 - 2j] and values["conj"].is_conj()
    assert values["neg"].tolist() == [-2] and values["neg"].is_neg()
    assert values["uint16"].tolist() == [1, 65535] and values["uint16"].dtype is torch.uint16
    assert values["meta"].is_meta and values["meta"].shape == (2, 3)
    assert values["requires_grad"].requires_grad
    assert type(values["parameter"]) is torch.nn.Parameter and values["parameter"].tolist() == [0, 1]
    assert values["size"] == torch.Size([1, 2]) and type(values["size"]) is torch.Size
    assert values["dtype"] is torch.bfloat16 and values["device"] == torch.device("cpu")
    assert values["set"] == {1, 2} and values["complex"] == 1j and values["bytes"] == b"ab\xff"
    assert values["bytearray"] == bytearray(b"x") and values["counter"] == collections.Counter("aab")
    assert values["big"] == 2**70 and values["float"] == 1.5 and values["none"] is None
    assert values["tuple"] == (True, False) and list(values["ordered"]) == ["b", "a"]
    for name in DTYPES:
        tensor = values[name]
        assert tensor.dtype is getattr(torch, name) and tensor.tolist() == [0, 1, 1]


@pytest.mark.parametrize("name", ["values.pt", "values_legacy.pt"])
def test_files_of_pytorch_load(name):
    check_values(torch.load(RECORDED / name))
    check_values(torch.load(str(RECORDED / name), weights_only=False))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
def test_round_trip(legacy, protocol, tmp_path):
    path = tmp_path / "values.pt"
    torch.save(
        torch.load(RECORDED / "values.pt"), path, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy
    )
    check_values(torch.load(path))
    with open(path, "rb") as file:
        check_values(torch.load(file, weights_only=False))
    if not legacy:
        check_values(torch.load(path, mmap=True))


def test_a_model_of_pytorch_computes_the_same():
    checkpoint = torch.load(RECORDED / "checkpoint.pt")
    nn = torch.nn
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    model.load_state_dict(checkpoint["model"])
    torch.testing.assert_close(model.eval()(checkpoint["input"]).detach(), checkpoint["output"])
    whole = torch.load(RECORDED / "module.pt", weights_only=False).eval()
    assert type(whole) is nn.Sequential and repr(whole[0]) == repr(model[0])
    with pytest.raises(pickle.UnpicklingError, match="torch.nn.modules.container.Sequential was not an allowed global"):
        torch.load(RECORDED / "module.pt")


def test_shared_memory_stays_shared_and_is_written_once():
    base = torch.zeros(1000)
    file = io.BytesIO()
    torch.save([base, base[10:20], base.view(10, 100)], file)
    assert len(file.getvalue()) < 6000
    a, b, c = torch.load(io.BytesIO(file.getvalue()))
    a[10] = 1
    assert b[0].item() == 1 and c[0, 10].item() == 1


def test_archive_is_laid_out_as_pytorchs(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"a": torch.arange(3.0), "b": torch.ones(5, dtype=torch.float64)}, path)
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        names = archive.namelist()
        assert names[0] == "model/data.pkl" and names[-1] == "model/.data/serialization_id"
        assert {"model/byteorder", "model/version", "model/.format_version", "model/data/0", "model/data/1"} <= set(
            names
        )
        assert archive.read("model/version") == b"3\n" and archive.testzip() is None
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            file.seek(info.header_offset + 26)
            name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
            assert (info.header_offset + 30 + name + extra) % 64 == 0
        assert b"torch._utils\n_rebuild_tensor_v2" in archive.read("model/data.pkl")
        assert b"rushlight" not in archive.read("model/data.pkl")
    again = tmp_path / "again" / "model.pt"
    again.parent.mkdir()
    torch.save({"a": torch.arange(3.0), "b": torch.ones(5, dtype=torch.float64)}, again)
    assert path.read_bytes() == again.read_bytes()


def test_attributes_and_subclasses_are_kept():
    tensor = torch.ones(2)
    tensor.note = "x"
    assert round_trip(tensor).note == "x"
    parameter = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    parameter.note = 3
    loaded = round_trip(parameter)
    assert loaded.note == 3 and not loaded.requires_grad and type(loaded) is torch.nn.Parameter
    with pytest.raises(pickle.UnpicklingError, match="Mine was not an allowed global"):
        round_trip(torch.ones(2).as_subclass(Mine))
    assert type(round_trip(torch.ones(2).as_subclass(Mine), weights_only=False)) is Mine


class Mine(torch.Tensor):
    """A subclass."""


class Plain:
    """A class of the program."""

    def __init__(self):
        self.x = torch.ones(2)


def test_safe_globals():
    with pytest.raises(pickle.UnpicklingError, match=r"add_safe_globals\(\[.*Plain\]\)"):
        round_trip(Plain())
    with serialization.safe_globals([Plain]):
        assert round_trip(Plain()).x.tolist() == [1, 1]
    assert serialization.get_safe_globals() == []
    file = io.BytesIO()
    torch.save(Plain(), file)
    file.seek(0)
    assert serialization.get_unsafe_globals_in_checkpoint(file) == [f"{__name__}.Plain"]


def attack(command: str) -> list[bytes]:
    """Pickles that would run a command."""
    text = command.encode()
    argument = b"X" + len(text).to_bytes(4, "little") + text
    return [
        b"\x80\x02cos\nsystem\n" + argument + b"\x85R.",
        b"\x80\x02cposix\nsystem\n" + argument + b"\x85R.",
        b"\x80\x02c__builtin__\neval\n" + argument + b"\x85R.",
        b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93" + argument + b"\x85R.",
        b"\x80\x02ctorch._utils\n_rebuild_from_type_v2\n(cos\nsystem\nctorch\nTensor\n" + argument + b"\x85NtR.",
        b"\x80\x02(" + argument + b"ios\nsystem\n.",
        b"\x80\x02ctorch.serialization\nload\n" + argument + b"\x85R.",
        b"\x80\x02cbuiltins\ngetattr\nctorch\nTensor\n" + argument + b"\x86R.",
        b"\x80\x02ctorch.nn.parameter\nParameter\n)\x81}" + argument + argument + b"sb.",
        b"\x80\x02ctorch\nfloat32\n" + argument + b"\x85R.",
    ]


@pytest.mark.parametrize("index", range(10))
def test_nothing_is_executed(index, tmp_path):
    target = tmp_path / "ran"
    data = attack(f"touch {target}")[index]
    for file in (pack(data), io.BytesIO(data), io.BytesIO(pickle.dumps(serialization.MAGIC_NUMBER, 2) + data)):
        try:
            loaded = torch.load(file)
        except (pickle.UnpicklingError, RuntimeError, EOFError):
            continue
        assert type(loaded) is torch.nn.Parameter  # an attribute was set, which is harmless
    assert not target.exists()


def test_damaged_files_raise():
    """Bytes changed, cut or repeated: an exception or values, never a crash."""
    source = random.Random(0)
    for name in ("values.pt", "values_legacy.pt", "checkpoint.pt"):
        good = (RECORDED / name).read_bytes()
        for _ in range(150):
            data = bytearray(good)
            for _ in range(source.randint(1, 4)):
                data[source.randrange(len(data))] = source.randrange(256)
            if source.random() < 0.2:
                del data[source.randrange(len(data)) :]
            try:
                torch.load(io.BytesIO(bytes(data)))
            except Exception:
                continue


def test_damaged_pickles_raise():
    source = random.Random(1)
    good = zipfile.ZipFile(RECORDED / "values.pt").read("values/data.pkl")
    for _ in range(600):
        data = bytearray(good)
        for _ in range(source.randint(1, 3)):
            data[source.randrange(len(data))] = source.randrange(256)
        try:
            torch.load(pack(bytes(data), s0=b"\0" * 64, s1=b"\0" * 64))
        except (pickle.UnpicklingError, RuntimeError, EOFError, MemoryError, UnicodeDecodeError):
            continue
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}") from error


def test_sizes_beyond_the_storage_are_refused():
    file = io.BytesIO()
    torch.save(torch.ones(2), file)
    data = zipfile.ZipFile(file).read("archive/data.pkl").replace(b"K\x00K\x02\x85", b"K\x00K\x60\x85")
    with pytest.raises((RuntimeError, pickle.UnpicklingError)):
        torch.load(pack(data, s0=b"\0" * 8))
    data = zipfile.ZipFile(file).read("archive/data.pkl")
    with pytest.raises(RuntimeError, match="needs 8"):
        torch.load(pack(data, s0=b"\0" * 4))


def test_other_byte_order():
    file = io.BytesIO()
    torch.save(torch.tensor([1.0, 2.0]), file)
    data = zipfile.ZipFile(file).read("archive/data.pkl")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/data.pkl", data)
        archive.writestr("a/byteorder", "big")
        archive.writestr("a/data/0", b"\x3f\x80\0\0\x40\0\0\0")
    out.seek(0)
    assert torch.load(out).tolist() == [1.0, 2.0]


def test_map_location():
    tensor = torch.ones(2)
    assert round_trip(tensor, map_location="meta").is_meta
    assert round_trip(tensor, map_location={"cpu": "meta"}).is_meta
    assert round_trip(tensor, map_location=torch.device("cpu")).tolist() == [1, 1]
    seen = []
    assert round_trip(tensor, map_location=lambda s, where: seen.append(where) or s).tolist() == [1, 1]
    assert seen == ["cpu"]
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        round_trip(tensor, map_location="cuda")


def test_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "nothing.pt")
    with pytest.raises(EOFError):
        torch.load(io.BytesIO(b""))
    with pytest.raises(RuntimeError, match="failed finding central directory"):
        torch.load(io.BytesIO(b"PK\x03\x04" + b"x" * 50))
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        torch.load(io.BytesIO(b"abcdefgh"))
    with pytest.raises(AttributeError, match="You can only torch.load from a file that is seekable"):
        torch.load(5)
    with pytest.raises(AttributeError, match="expected 'f' to be string, path, or a file-like object"):
        torch.save(1, 5)
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        torch.save(1, tmp_path / "no" / "x.pt")
    with pytest.raises(RuntimeError, match="explicit pickle_module"):
        torch.load(io.BytesIO(b""), weights_only=True, pickle_module=pickle)


def test_writes_to_what_cannot_seek():
    class Pipe:
        def __init__(self):
            self.parts = []

        def write(self, data):
            self.parts.append(bytes(data))
            return len(data)

    pipe = Pipe()
    torch.save(torch.arange(3), pipe)
    assert torch.load(io.BytesIO(b"".join(pipe.parts))).tolist() == [0, 1, 2]


def test_mapped_files_are_not_changed(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(torch.zeros(3), path)
    before = path.read_bytes()
    tensor = torch.load(path, mmap=True)
    tensor.add_(1)
    assert tensor.tolist() == [1, 1, 1] and path.read_bytes() == before
    with pytest.raises(ValueError, match="filename"):
        torch.load(io.BytesIO(before), mmap=True)


def test_plain_pickle():
    base = torch.arange(6.0)
    for obj in (base[::2], base.view(2, 3).t(), torch.tensor(1 + 1j).conj(), torch.ones(2, dtype=torch.uint32)):
        loaded = pickle.loads(pickle.dumps(obj))
        assert loaded.tolist() == obj.tolist() and loaded.dtype is obj.dtype
    assert pickle.loads(pickle.dumps(torch.nn.Parameter(base))).requires_grad
    assert pickle.loads(pickle.dumps(torch.float32)) is torch.float32


def test_storages():
    storage = torch.ones(2).untyped_storage()
    assert round_trip(storage).nbytes() == 8
    with pytest.warns(UserWarning, match="TypedStorage is deprecated"):
        typed = torch.storage.TypedStorage([1.0, 2.0], dtype=torch.float64)
    assert round_trip(typed).tolist() == [1.0, 2.0]
    assert os.fspath(RECORDED) and len(typed) == 2


@pytest.mark.parametrize("obj", [torch.Size([1, 2]), torch.device("cpu"), torch.float32, torch.strided], ids=str)
def test_values_of_the_core_pickle_without_another_torch(obj):
    data = pickle.dumps(obj)
    assert pickle.loads(data) == obj and b"rushlight" in data


@pytest.mark.parametrize("f", [torch.add, torch.nn.functional.relu, torch.nn.functional.celu_, torch.special.expit, torch.Tensor.add], ids=str)
def test_operators_pickle_and_copy_as_themselves(f):
    assert pickle.loads(pickle.dumps(f)) is f and copy.copy(f) is f and copy.deepcopy(f) is f
