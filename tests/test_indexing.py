"""x[...] and x[...] = v against NumPy; gather, scatter and their relatives against their definitions."""

import math
import random

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck


def pair(*shape, dtype="float64"):
    array = np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)
    return array.copy(), torch.from_numpy(array.copy())


KEYS = [
    0, -1, slice(None), slice(1, None), slice(None, None, 2), slice(5, 1), Ellipsis, None, (), (0, 1), (0, slice(1, 3)), (slice(None), 2), (Ellipsis, 0),
    (None, 0), (0, None, Ellipsis, -1), [0, 1], (slice(None), [2, 0]), ([0, 1], [1, 2]), ([0, 1], slice(None), [1, 2]), ([[0], [1]], [1, 2]), True, False,
    np.array([True, False]), np.array([[True, False, True], [False, True, False]]), (0, np.array([True, False, True])), (slice(None), np.array([0, 2, 2])),
    np.int64(1), (np.array(1), 2), (None, [0, 1], [1, 2]), (slice(0, 0), [1]), ([], slice(None)),
]  # fmt: skip


def as_torch(key):
    if isinstance(key, tuple):
        return tuple(as_torch(k) for k in key)
    return torch.tensor(key, dtype=torch.int64 if key == [] else None) if isinstance(key, list) else key


def as_numpy(key):
    if isinstance(key, tuple):
        return tuple(as_numpy(k) for k in key)
    return np.array(key, dtype=np.int64) if isinstance(key, list) else key


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_reading_agrees_with_numpy(key):
    array, tensor = pair(2, 3, 4)
    np.testing.assert_array_equal(tensor[as_torch(key)].numpy(), array[as_numpy(key)])


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_writing_agrees_with_numpy(key):
    array, tensor = pair(2, 3, 4)
    values = -np.arange(array[as_numpy(key)].size, dtype="float64").reshape(array[as_numpy(key)].shape)
    array[as_numpy(key)] = values
    tensor[as_torch(key)] = torch.from_numpy(values)
    np.testing.assert_array_equal(tensor.numpy(), array)
    array[as_numpy(key)] = 7
    tensor[as_torch(key)] = 7
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_random_keys_agree_with_numpy():
    rng = random.Random(0)

    def item(n):
        kind = rng.randrange(4)
        if kind == 0:
            return rng.randrange(-n, n)
        if kind == 1:
            return slice(rng.choice([None, 0, 1, -1]), rng.choice([None, 2, n, -1]), rng.choice([None, 1, 2]))
        if kind == 2:
            return np.array([rng.randrange(-n, n) for _ in range(3)])
        return np.array([rng.random() < 0.5 for _ in range(n)])

    for _ in range(500):
        shape = tuple(rng.randrange(1, 5) for _ in range(rng.randrange(1, 4)))
        array, tensor = pair(*shape)
        key = tuple(item(n) for n in shape[: rng.randrange(1, len(shape) + 1)])
        try:
            expected = array[key]
        except IndexError:  # masks with different numbers of elements
            with pytest.raises(IndexError):
                tensor[key]
            continue
        np.testing.assert_array_equal(tensor[key].numpy(), expected)


def test_basic_indexing_shares_memory_and_advanced_copies():
    _, x = pair(3, 4)
    x[1, 1:3][0] = -1.0
    assert x[1, 1].item() == -1.0
    x[[0, 2]][0, 0] = -5.0
    assert x[0, 0].item() == 0.0
    assert x[...] is not x and x[...].data_ptr() == x.data_ptr()


@pytest.mark.parametrize(
    ("key", "error", "text"),
    [
        (3, IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        (-4, IndexError, "index -4 is out of bounds for dimension 0 with size 3"),
        ((0, 0, 0), IndexError, "too many indices for tensor of dimension 2"),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (1.5, IndexError, "valid indices"),
        ([0, 5], IndexError, "index 5 is out of bounds"),
        (np.array([True, False]), IndexError, r"shape of the mask \[2\]"),
        (np.array([1.0]), IndexError, "must be long, int, byte or bool"),
        (([0, 1], [0, 1, 2]), IndexError, "could not be broadcast together"),
    ],
)
def test_bad_keys_raise(key, error, text):
    _, x = pair(3, 4)
    with pytest.raises(error, match=text):
        x[as_torch(key) if not isinstance(key, np.ndarray) else torch.from_numpy(key)]


def test_bad_assignments_raise():
    _, x = pair(3, 4)
    with pytest.raises(TypeError, match="can't assign a list"):
        x[0] = [1, 2]
    with pytest.raises(RuntimeError, match="expanded size"):
        x[0] = torch.ones(3, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="cannot be broadcast to indexing result"):
        x[[0, 1]] = torch.ones(5, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="dtypes match"):
        x[[0, 1]] = torch.ones(4)
    with pytest.raises(IndexError, match="0-dim tensor"):
        torch.tensor(1.0)[0]
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.zeros(2, dtype=torch.uint8)[0] = 300


# ---------------------------------------------------------------- gradients
def leaf(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


INDEX = torch.tensor([[0, 2], [1, 1]])
ROWS = torch.tensor([0, 2, 2])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x[1], lambda x: x[:, 1:3], lambda x: x[[0, 2]], lambda x: x[[0, 0], [1, 1]], lambda x: x[x.detach() > 0],
        lambda x: x.gather(0, INDEX), lambda x: x.scatter(0, INDEX, x[:2, :2] * 2), lambda x: x.scatter(0, INDEX, 0.5), lambda x: x.scatter_add(1, INDEX, x[:2, :2]),
        lambda x: x.index_select(1, ROWS), lambda x: x.index_add(0, ROWS, x, alpha=2.0), lambda x: x.index_copy(0, torch.tensor([2, 0]), x[:2] * 3),
        lambda x: x.index_fill(0, ROWS, 2.0), lambda x: x.take(INDEX), lambda x: x.put(INDEX, x[:2, :2] * 2, accumulate=True), lambda x: x.masked_fill(x.detach() > 0, 1.0),
        lambda x: x.masked_select(x.detach() > 0), lambda x: x.masked_scatter(x.detach() > 0, x * 2), lambda x: torch.take_along_dim(x[:2], INDEX, 1),
        lambda x: x.scatter_reduce(0, INDEX, x[:2, :2] + 1, "prod"), lambda x: x.scatter_reduce(0, INDEX, x[:2, :2], "mean", include_self=False),
        lambda x: x.scatter_reduce(0, INDEX, x[:2, :2], "amax"), lambda x: x.index_reduce(0, ROWS, x + 0.3, "mean"), lambda x: x.index_reduce(0, ROWS, x + 0.3, "amin", include_self=False),
    ],
)  # fmt: skip
def test_gradients(f):
    torch.manual_seed(0)
    x = leaf(3, 4)
    assert gradcheck(f, (x,))
    assert gradgradcheck(f, (x,))


def test_assignment_is_recorded():
    x, v = leaf(3, 4), leaf(2, 4)

    def f(x, v):
        y = x * 1
        y[[0, 2]] = v
        y[1, 1:3] = v[0, :2]
        y[y.detach() > 100] = 0.0
        return y

    assert gradcheck(f, (x, v))


# ---------------------------------------------------------------- definitions
def test_repeated_indices_add_up_the_same_with_any_number_of_threads():
    torch.manual_seed(1)
    index = torch.randint(0, 50, (20000,))
    rows = torch.randn(20000, 64)
    results = []
    for threads in (1, 2):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        results.append(torch.zeros(50, 64).index_add_(0, index, rows))
        torch.set_num_threads(before)
    assert results[0].equal(results[1])
    expected = np.zeros((50, 64))
    np.add.at(expected, index.numpy(), rows.numpy().astype("float64"))
    np.testing.assert_allclose(results[0].numpy(), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce_by_its_definition(reduce, include_self):
    torch.manual_seed(2)
    x, src, index = torch.randn(4, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64), torch.randint(0, 4, (5, 3))
    got = x.scatter_reduce(0, index, src, reduce, include_self=include_self)
    numpy_reduce = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}[reduce]
    for i in range(4):
        for j in range(3):
            values = [src[k, j].item() for k in range(5) if index[k, j].item() == i]
            values = values + [x[i, j].item()] if include_self or not values else values
            assert got[i, j].item() == pytest.approx(numpy_reduce(values))


def test_masks():
    array, x = pair(3, 4)
    mask = x > 4
    assert x.masked_select(mask).tolist() == array[array > 4].tolist()
    assert x.masked_fill(mask, -1).tolist() == np.where(array > 4, -1, array).tolist()
    assert torch.nonzero(mask).tolist() == np.argwhere(array > 4).tolist()
    assert [t.tolist() for t in torch.nonzero(mask, as_tuple=True)] == [t.tolist() for t in np.nonzero(array > 4)]
    with pytest.raises(RuntimeError, match="boolean masks"):
        x.masked_fill(x, 0)
    with pytest.raises(RuntimeError, match="Number of elements of source"):
        x.masked_scatter(mask, torch.ones(2, dtype=torch.float64))


def test_indices_out_of_range_raise_and_change_nothing():
    _, x = pair(3, 4)
    before = x.clone()
    for f in (lambda: x.index_add_(0, torch.tensor([3]), x[:1].clone()), lambda: x.scatter_(0, torch.tensor([[5]]), 1.0), lambda: x.gather(1, torch.tensor([[-1]]))):
        with pytest.raises(RuntimeError, match="out of bounds"):
            f()
    with pytest.raises(IndexError, match="out of range"):
        x.index_select(0, torch.tensor([7]))
    with pytest.raises(IndexError, match="out of range"):
        x.take(torch.tensor([12]))
    assert x.equal(before)


def test_meta_tensors_have_shapes_only():
    x = torch.empty(3, 4, device="meta")
    assert x[1:, 0].shape == (2,)
    assert x[torch.tensor([0, 1])].shape == (2, 4)
    with pytest.raises(NotImplementedError, match="meta"):
        x[torch.empty(3, dtype=torch.bool, device="meta")]


def test_take_along_dim_counts_from_the_end():
    array, x = pair(3, 4)
    index = np.array([[-1, 0], [-4, 3], [-2, -3]])
    assert np.array_equal(torch.take_along_dim(x, torch.from_numpy(index), 1), np.take_along_axis(array, index, 1))
    with pytest.raises(RuntimeError, match="out of bounds"):
        torch.take_along_dim(x, torch.tensor([[-5]]), 1)


def test_the_order_of_equal_small_elements_is_pytorchs():
    x = (torch.arange(20) % 3).to(torch.uint8)
    assert x.argsort().tolist() == [18, 3, 15, 6, 12, 9, 0, 10, 19, 16, 13, 7, 4, 1, 11, 8, 14, 5, 17, 2]
    assert x.sort(stable=True).indices.tolist() == sorted(range(20), key=lambda i: i % 3)
    assert torch.mode(torch.tensor([1, 2] * 20)).indices.item() == 2
    assert torch.median(torch.arange(40) % 3, 0).indices.item() == 16


def test_histc_finds_bins_in_the_arithmetic_of_its_elements():
    x = torch.tensor([0.1, 5.6875, 9.375], dtype=torch.bfloat16)
    assert torch.histc(x, 100, 0, 10).nonzero().flatten().tolist() == [1, 56, 93]


@pytest.mark.parametrize("n", [5, 200, 700, 3000, 40000])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64", "float32", "float64"])
def test_sorts_of_every_length_are_stable_where_asked(n, dtype):
    array = (np.random.default_rng(n).normal(size=(2, n)) * 40).astype(dtype)
    values, indices = torch.sort(torch.from_numpy(array), stable=True)
    assert np.array_equal(indices.numpy(), np.argsort(array, 1, kind="stable"))
    values, indices = torch.sort(torch.from_numpy(array), descending=True)
    assert np.array_equal(values.numpy(), np.sort(array, 1)[:, ::-1])
    assert np.array_equal(np.take_along_axis(array, indices.numpy(), 1), values.numpy())


@pytest.mark.parametrize("dim,shape", [(0, (9, 5)), (1, (3, 7, 4)), (0, (6, 2, 3))])
def test_an_expanded_index_is_that_of_its_copy(dim, shape):
    """A number for each row: read and written without a copy of the index."""
    n, source = 4, list(shape)
    source[dim] = 11
    src = torch.randn(*source, dtype=torch.float64)
    flat = torch.randint(0, n, [11 if d == dim else 1 if d == len(shape) - 1 else k for d, k in enumerate(shape)])
    index = flat.expand(*source)
    target = torch.randn(*[n if d == dim else k for d, k in enumerate(shape)], dtype=torch.float64)
    assert index.stride(-1) == 0
    assert torch.equal(target.gather(dim, index), target.gather(dim, index.contiguous()))
    assert torch.equal(target.scatter_add(dim, index, src), target.scatter_add(dim, index.contiguous(), src))
    for reduce in ("sum", "prod", "mean", "amax", "amin"):
        ours = target.scatter_reduce(dim, index, src, reduce, include_self=False)
        assert torch.equal(ours, target.scatter_reduce(dim, index.contiguous(), src, reduce, include_self=False))
    with pytest.raises(RuntimeError, match="out of bounds"):
        target.scatter_add(dim, index + n, src)
    assert torch.autograd.gradcheck(lambda t, s: t.scatter_add(dim, index, s), (target.requires_grad_(), src.requires_grad_()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int32])
@pytest.mark.parametrize("reduce", ["prod", "amax", "amin", "mean"])
def test_index_reduce_of_whole_rows(dtype, reduce):
    rows, source = torch.arange(1, 86).reshape(5, 17).to(dtype), (torch.arange(119).reshape(7, 17) % 13 + 1).to(dtype)
    if dtype.is_floating_point:
        source[2, 5], rows[1, 3] = math.nan, math.nan
    index = torch.tensor([4, 0, 0, 2, 4, 4, 1])
    expected = [row for row in rows]
    for i in range(5):
        among = torch.stack([rows[i], *(source[k] for k in range(7) if index[k] == i)])
        expected[i] = getattr(among.double(), reduce)(0)
    found = torch.index_reduce(rows, 0, index, source, reduce)
    expected = torch.stack(expected)
    torch.testing.assert_close(found.double(), expected if dtype.is_floating_point else expected.floor(), equal_nan=True)
    with pytest.raises((RuntimeError, IndexError)):
        torch.index_reduce(rows, 0, torch.tensor([0, 1, 2, 3, 4, 5, 0]), source, reduce)


@pytest.mark.parametrize("dim", [0, 1])
def test_an_index_that_is_repeated_over_the_rows(dim):
    x, source = torch.zeros(9, 9), torch.arange(81.0).reshape(9, 9)
    index = torch.randperm(9).expand(9, 9)
    whole = index.clone()
    assert torch.equal(torch.scatter(x, dim, index, source), torch.scatter(x, dim, whole, source))
    assert torch.equal(torch.scatter_add(x, dim, index, source), torch.scatter_add(x, dim, whole, source))
    assert torch.equal(torch.gather(source, dim, index), torch.gather(source, dim, whole))
    with pytest.raises((RuntimeError, IndexError)):
        torch.gather(source, dim, torch.tensor([0, 9]).expand(9, 2))
