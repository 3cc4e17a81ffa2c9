"""Tensors made of shapes, numbers, lists, arrays and buffers, and given away to other libraries."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import rushlight as torch

NUMPY_DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128", "uint16", "uint32", "uint64"]


# ---------------------------------------------------------------- factories
def test_factories_have_shape_dtype_and_value():
    assert torch.zeros(2, 3).tolist() == [[0.0] * 3] * 2
    assert torch.ones((2,), dtype=torch.int8).dtype == torch.int8
    assert torch.full((2,), 3).dtype == torch.int64 and torch.full((2,), 3.0).dtype == torch.float32 and torch.full((2,), True).dtype == torch.bool
    assert torch.eye(2, 3).tolist() == np.eye(2, 3).tolist()
    assert torch.zeros(()).shape == () and torch.zeros(0, 3).shape == (0, 3)
    assert torch.empty(2, 3, 4, 5, memory_format=torch.channels_last).stride() == (60, 1, 15, 3)
    assert torch.empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    assert torch.zeros(2, requires_grad=True).requires_grad
    assert torch.zeros(2, device="meta").device.type == "meta"


def test_like_and_new_take_over_what_is_not_asked_for():
    x = torch.ones(2, 3, dtype=torch.float64).t()
    assert torch.zeros_like(x).stride() == x.stride() and torch.zeros_like(x).dtype == torch.float64
    assert torch.full_like(x, 2, dtype=torch.int32).dtype == torch.int32
    assert torch.ones_like(x, memory_format=torch.contiguous_format).is_contiguous()
    assert x.new_zeros(4).dtype == torch.float64 and x.new_full((2,), 3).tolist() == [3.0, 3.0]


def test_default_dtype_is_respected():
    torch.set_default_dtype(torch.float64)
    try:
        for t in (torch.zeros(1), torch.tensor(1.0), torch.full((1,), 1.0), torch.arange(1.0), torch.linspace(0, 1, 2), torch.eye(1), torch.rand(1)):
            assert t.dtype == torch.float64
        assert torch.tensor(1j).dtype == torch.complex128
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("args", [(5,), (1, 5), (1, 6, 2), (5, 1, -2), (0, 1, 0.25), (2.5,), (-3, 3, 2), (3, 3)])
def test_arange(args):
    t = torch.arange(*args)
    np.testing.assert_allclose(t.numpy(), np.arange(*args))
    assert t.dtype == (torch.int64 if all(isinstance(a, int) for a in args) else torch.float32)


def test_ranges_of_points():
    np.testing.assert_allclose(torch.linspace(-1, 2, 7, dtype=torch.float64).numpy(), np.linspace(-1, 2, 7))
    np.testing.assert_allclose(torch.logspace(0, 2, 5, dtype=torch.float64).numpy(), np.logspace(0, 2, 5))
    assert torch.linspace(0, 10, 5, dtype=torch.int64).tolist() == [0, 2, 5, 7, 10]
    assert torch.linspace(3, 9, 1).tolist() == [3.0]
    assert torch.tril_indices(3, 2, -1).tolist() == [list(v) for v in np.tril_indices(3, -1, 2)]
    assert torch.triu_indices(2, 3, 1).tolist() == [list(v) for v in np.triu_indices(2, 1, 3)]


@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (lambda: torch.zeros(-1), RuntimeError, "negative dimension -1"),
        (lambda: torch.zeros(2**40, 2**40), RuntimeError, "overflow"),
        (lambda: torch.zeros(2.0), TypeError, "size"),
        (lambda: torch.arange(1, 5, -1), RuntimeError, "inconsistent with step sign"),
        (lambda: torch.arange(0, 1, 0), RuntimeError, "step must be nonzero"),
        (lambda: torch.linspace(0, 1, -1), RuntimeError, "non-negative"),
        (lambda: torch.full((2,), 300, dtype=torch.uint8), RuntimeError, "without overflow"),
        (lambda: torch.zeros(2, dtype=torch.int32, requires_grad=True), RuntimeError, "floating point"),
        (lambda: torch.ones(2, layout=torch.sparse_coo), NotImplementedError, "sparse_coo"),
        (lambda: torch.zeros(2, dtype=torch.int8, out=torch.empty(2)), RuntimeError, "does not match dtype of out"),
        (lambda: torch.eye(-1), RuntimeError, "greater or equal to 0"),
    ],
)
def test_bad_arguments_raise(f, error, text):
    with pytest.raises(error, match=text):
        f()


# ---------------------------------------------------------------- torch.tensor
@pytest.mark.parametrize(
    ("data", "dtype"),
    [(1, "int64"), (1.0, "float32"), (True, "bool"), (1j, "complex64"), ([], "float32"), ([1, 2.0], "float32"), ([True, 2], "int64"), ([[1], [2]], "int64"), (range(3), "int64"),
     (np.float64(1), "float64"), ([np.float32(1)], "float32"), (np.arange(2, dtype="int8"), "int8"), ([np.arange(2.0), np.arange(2.0)], "float64"), ([[], []], "float32")],
)  # fmt: skip
def test_tensor_infers_the_dtype(data, dtype):
    t = torch.tensor(data)
    assert str(t.dtype) == "torch." + dtype
    np.testing.assert_array_equal(t.numpy(), np.array(data, dtype=dtype))


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        ([[1, 2], [3]], ValueError, r"expected sequence of length 2 at dim 1 \(got 1\)"),
        ([[1], 2], TypeError, "not a sequence"),
        ([1, [2]], TypeError, "integer"),
        ("a", TypeError, "invalid data type 'str'"),
        (["a"], ValueError, "too many dimensions 'str'"),
        (None, RuntimeError, "Could not infer dtype of NoneType"),
        ({1: 2}, RuntimeError, "Could not infer dtype of dict"),
        (2**63, ValueError, "Overflow"),
        (np.array(["a"]), TypeError, "can't convert np.ndarray of type numpy.str_"),
        (np.arange(3)[::-1], ValueError, "negative"),
    ],
)
def test_tensor_refuses_what_is_no_array(data, error, text):
    with pytest.raises(error, match=text):
        torch.tensor(data)


def test_tensor_copies_and_as_tensor_shares():
    array = np.zeros(3)
    assert torch.tensor(array).data_ptr() != array.ctypes.data
    assert torch.as_tensor(array).data_ptr() == array.ctypes.data
    assert torch.asarray(array, copy=True).data_ptr() != array.ctypes.data
    t = torch.ones(2)
    assert torch.as_tensor(t) is t
    with pytest.raises(ValueError, match="alias"):
        torch.asarray([1, 2], copy=False)


# ---------------------------------------------------------------- NumPy
@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_numpy_there_and_back_without_a_copy(dtype):
    array = np.arange(6).astype(dtype).reshape(2, 3)
    t = torch.from_numpy(array)
    assert str(t.dtype) == "torch." + dtype
    back = t.numpy()
    assert back.dtype == array.dtype and back.ctypes.data == array.ctypes.data
    np.testing.assert_array_equal(t.t().numpy(), array.T)
    assert t.tolist() == array.tolist()


def test_the_array_lives_as_long_as_the_tensor_and_the_other_way_round():
    array = np.arange(4.0)
    gone = weakref.ref(array)
    t = torch.from_numpy(array)
    del array
    gc.collect()
    assert gone() is not None and t.sum().item() == 6.0
    view = t[1:].numpy()
    del t
    gc.collect()
    assert view.tolist() == [1.0, 2.0, 3.0]
    del view
    gc.collect()
    assert gone() is None


def test_numpy_refuses_what_it_can_not_show():
    with pytest.raises(RuntimeError, match="requires grad"):
        torch.ones(2, requires_grad=True).numpy()
    with pytest.raises(RuntimeError, match="conjugate bit"):
        torch.ones(2, dtype=torch.complex64).conj().numpy()
    with pytest.raises(TypeError, match="BFloat16"):
        torch.ones(2, dtype=torch.bfloat16).numpy()
    with pytest.raises(TypeError, match="meta"):
        torch.ones(2, device="meta").numpy()
    assert torch.ones(2, requires_grad=True).numpy(force=True).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="byte order"):
        torch.from_numpy(np.zeros(2, dtype=">f4" if np.little_endian else "<f4"))
    with pytest.raises(TypeError, match=r"expected np.ndarray \(got list\)"):
        torch.from_numpy([1])


def test_numpy_functions_take_tensors():
    x = torch.arange(3.0)
    np.testing.assert_array_equal(np.asarray(x, dtype="int32"), [0, 1, 2])
    np.testing.assert_array_equal(np.multiply(x.numpy(), 2), [0, 2, 4])


# ---------------------------------------------------------------- buffers, DLPack, storages
def test_frombuffer():
    memory = bytearray(np.arange(3, dtype="float32").tobytes())
    t = torch.frombuffer(memory, dtype=torch.float32)
    t[0] = 5.0
    assert np.frombuffer(memory, dtype="float32").tolist() == [5.0, 1.0, 2.0]
    assert torch.frombuffer(memory, dtype=torch.float32, offset=4, count=1).tolist() == [1.0]
    for options, text in (({"offset": 12}, "offset"), ({"count": 9}, "greater than actual"), ({"offset": 1}, "multiple of element size"), ({"count": 0}, "must not be 0")):
        with pytest.raises(ValueError, match=text):
            torch.frombuffer(memory, dtype=torch.float32, **options)


def test_dlpack_both_ways():
    x = torch.arange(6.0).reshape(2, 3).t()
    theirs = np.from_dlpack(x)
    assert theirs.ctypes.data == x.data_ptr() and theirs.tolist() == x.tolist()
    array = np.arange(4)
    ours = torch.from_dlpack(array)
    assert ours.data_ptr() == array.ctypes.data and ours.dtype == torch.int64
    capsule = x.__dlpack__()
    assert torch.from_dlpack(capsule).tolist() == x.tolist()
    with pytest.raises(RuntimeError, match="only once"):
        torch.from_dlpack(capsule)
    assert x.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match="require gradient"):
        torch.ones(2, requires_grad=True).__dlpack__()


def test_storages():
    x = torch.arange(4.0)
    storage = x.untyped_storage()
    assert storage is x[1:].untyped_storage() and storage.nbytes() == 16 and storage.data_ptr() == x.data_ptr()
    y = torch.empty(0).set_(storage, 1, (2,), (2,))
    assert y.tolist() == [1.0, 3.0]
    storage.fill_(0)
    assert x.tolist() == [0.0] * 4
    assert bytes(torch.UntypedStorage(3).fill_(7)) == b"\x07\x07\x07" and list(torch.UntypedStorage([1, 2])) == [1, 2]
    with pytest.raises(RuntimeError, match="not resizable"):
        torch.from_numpy(np.zeros(2)).resize_(5)
    z = torch.ones(2).resize_(3)
    assert z.shape == (3,) and z[:2].tolist() == [1.0, 1.0]


def test_item_and_geometry():
    x = torch.arange(6).reshape(2, 3)
    assert x.size() == (2, 3) and x.size(-1) == 3 and x.stride() == (3, 1) and x.stride(0) == 3
    assert x[1].storage_offset() == 3 and x.numel() == x.nelement() == 6 and x.element_size() == 8
    assert x.type() == "torch.LongTensor" and x.type(torch.float32).dtype == torch.float32
    assert x[0, 1].item() == 1 and isinstance(torch.tensor(True).item(), bool) and torch.tensor(2**64 - 1, dtype=torch.uint64).item() == 2**64 - 1
    assert x.is_contiguous() and not x.t().is_contiguous()
    with pytest.raises(RuntimeError, match="6 elements cannot be converted to Scalar"):
        x.item()
    with pytest.raises(IndexError, match="Dimension out of range"):
        x.size(2)


def test_copies_by_the_standard_library():
    x = torch.arange(3.0)
    assert copy.deepcopy(x).data_ptr() != x.data_ptr()
    assert pickle.loads(pickle.dumps(x)).tolist() == x.tolist()


def test_to_takes_none_for_a_device():
    x = torch.ones(2)
    assert x.to(None) is x and x.to(None, torch.float64).dtype is torch.float64
    assert x.to(None, torch.float64, True).dtype is torch.float64
    assert x.to(None, torch.float64, non_blocking=True).dtype is torch.float64
