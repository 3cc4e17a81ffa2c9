"""Shapes: views share memory, copies don't; joining, splitting, repeating, padding, against NumPy."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck


def pair(*shape, dtype="float64"):
    array = np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)
    return array.copy(), torch.from_numpy(array.copy())


def leaf(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


VIEWS = {
    "view": (lambda t: t.view(4, 6), lambda a: a.reshape(4, 6)),
    "transpose": (lambda t: t.transpose(0, 2), lambda a: a.swapaxes(0, 2)),
    "permute": (lambda t: t.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    "movedim": (lambda t: t.movedim((0, 1), (2, 0)), lambda a: np.moveaxis(a, (0, 1), (2, 0))),
    "unsqueeze": (lambda t: t.unsqueeze(1), lambda a: a[:, None]),
    "squeeze": (lambda t: t[:1].squeeze(0), lambda a: a[0]),
    "diagonal": (lambda t: t.diagonal(1, 1, 2), lambda a: a.diagonal(1, 1, 2)),
    "unfold": (lambda t: t.unfold(2, 2, 1), lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, axis=2)),
    "unflatten": (lambda t: t.unflatten(2, (2, -1)), lambda a: a.reshape(2, 3, 2, 2)),
    "expand": (lambda t: t.unsqueeze(0).expand(2, -1, -1, -1), lambda a: np.broadcast_to(a, (2, 2, 3, 4))),
    "narrow": (lambda t: t.narrow(1, 1, 2), lambda a: a[:, 1:3]),
    "select": (lambda t: t.select(1, -1), lambda a: a[:, -1]),
    "split": (lambda t: t.split([1, 2], 1)[1], lambda a: a[:, 1:]),
    "chunk": (lambda t: t.chunk(2, 2)[1], lambda a: a[:, :, 2:]),
    "unbind": (lambda t: t.unbind(1)[2], lambda a: a[:, 2]),
    "tensor_split": (lambda t: t.tensor_split(3, 2)[1], lambda a: np.array_split(a, 3, 2)[1]),
    "mT": (lambda t: t.mT, lambda a: a.swapaxes(1, 2)),
}
COPIES = {
    "repeat": (lambda t: t.repeat(2, 1, 3, 1), lambda a: np.tile(a, (2, 1, 3, 1))),
    "tile": (lambda t: t.tile(2), lambda a: np.tile(a, 2)),
    "repeat_interleave": (lambda t: t.repeat_interleave(torch.tensor([2, 0, 1]), 1), lambda a: np.repeat(a, [2, 0, 1], 1)),
    "roll": (lambda t: t.roll((1, -2), (0, 2)), lambda a: np.roll(a, (1, -2), (0, 2))),
    "roll flat": (lambda t: t.roll(5), lambda a: np.roll(a, 5)),
    "flip": (lambda t: t.flip(0, 2), lambda a: np.flip(a, (0, 2))),
    "rot90": (lambda t: t.rot90(1, (1, 2)), lambda a: np.rot90(a, 1, (1, 2))),
    "tril": (lambda t: t.tril(1), lambda a: np.tril(a, 1)),
    "triu": (lambda t: t.triu(-1), lambda a: np.triu(a, -1)),
    "cat": (lambda t: torch.cat([t, t[:, :1]], 1), lambda a: np.concatenate([a, a[:, :1]], 1)),
    "stack": (lambda t: torch.stack([t, t], -1), lambda a: np.stack([a, a], -1)),
    "hstack": (lambda t: torch.hstack([t, t]), lambda a: np.hstack([a, a])),
    "dstack": (lambda t: torch.dstack([t[0], t[1]]), lambda a: np.dstack([a[0], a[1]])),
    "column_stack": (lambda t: torch.column_stack([t[0, 0], t[0, 1]]), lambda a: np.column_stack([a[0, 0], a[0, 1]])),
    "kron": (lambda t: torch.kron(t[0], t[1]), lambda a: np.kron(a[0], a[1])),
    "diag": (lambda t: torch.diag(t[0, 0], 1), lambda a: np.diag(a[0, 0], 1)),
    "trace": (lambda t: torch.trace(t[0]), lambda a: np.trace(a[0])),
    "pad": (lambda t: torch.nn.functional.pad(t, (1, 2, 0, 1), value=3.0), lambda a: np.pad(a, ((0, 0), (0, 1), (1, 2)), constant_values=3)),
    "pad reflect": (lambda t: torch.nn.functional.pad(t, (1, 2), "reflect"), lambda a: np.pad(a, ((0, 0), (0, 0), (1, 2)), "reflect")),
    "pad replicate": (lambda t: torch.nn.functional.pad(t, (1, 2), "replicate"), lambda a: np.pad(a, ((0, 0), (0, 0), (1, 2)), "edge")),
    "pad circular": (lambda t: torch.nn.functional.pad(t, (1, 2), "circular"), lambda a: np.pad(a, ((0, 0), (0, 0), (1, 2)), "wrap")),
    "pad negative": (lambda t: torch.nn.functional.pad(t, (-1, 1)), lambda a: np.pad(a[:, :, 1:], ((0, 0), (0, 0), (0, 1)))),
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_views_have_numpy_s_values_and_share_memory(name):
    ours, theirs = VIEWS[name]
    array, x = pair(2, 3, 4)
    result = ours(x)
    np.testing.assert_array_equal(result.numpy(), theirs(array))
    assert result.untyped_storage() == x.untyped_storage() and result._is_view()


@pytest.mark.parametrize("name", COPIES)
def test_copies_have_numpy_s_values(name):
    ours, theirs = COPIES[name]
    array, x = pair(2, 3, 4)
    result = ours(x)
    np.testing.assert_array_equal(result.numpy(), theirs(array))
    assert result.untyped_storage() != x.untyped_storage()


@pytest.mark.parametrize("name", COPIES)
def test_of_transposed_memory(name):
    ours, theirs = COPIES[name]
    array, x = pair(3, 4, 2)
    np.testing.assert_array_equal(ours(x.permute(2, 0, 1)).numpy(), theirs(array.transpose(2, 0, 1)))


@pytest.mark.parametrize("name", [*VIEWS, *COPIES])
def test_gradients(name):
    f = (VIEWS.get(name) or COPIES.get(name))[0]
    torch.manual_seed(0)
    x = leaf(2, 3, 4)
    assert gradcheck(f, (x,))
    assert gradgradcheck(f, (x,))


# Planes of rows of every length, for every size of element, whole and in parts, forwards, backwards and with gaps.
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64", "complex128"])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 15, 16, 17, 28, 33, 64, 130])
def test_copies_of_planes(dtype, width):
    a = (np.arange(3 * 5 * 18 * width) % 251).reshape(3, 5, 18, width).astype(dtype)
    x = torch.from_numpy(a)
    for ours, theirs in [
        (x[:, :, 1:-1, : width - 1 or 1], a[:, :, 1:-1, : width - 1 or 1]), (x.flip(-1), a[..., ::-1]), (x[..., ::2], a[..., ::2]), (x.flip(2), a[:, :, ::-1]),
        (x.transpose(1, 2), a.swapaxes(1, 2)), (x.permute(0, 3, 1, 2), a.transpose(0, 3, 1, 2)), (x.permute(1, 0, 3, 2), a.transpose(1, 0, 3, 2)),
        (x[:, :1].expand(3, 4, 18, width), np.broadcast_to(a[:, :1], (3, 4, 18, width))), (x[..., :1].expand_as(x), np.broadcast_to(a[..., :1], a.shape)),
    ]:  # fmt: skip
        np.testing.assert_array_equal(ours.contiguous().numpy(), theirs)
    target, expected = torch.zeros_like(x), np.zeros_like(a)
    target[:, 1:3, ::2] = x[:, 1:3, ::2]
    expected[:, 1:3, ::2] = a[:, 1:3, ::2]
    np.testing.assert_array_equal(target.numpy(), expected)


@pytest.mark.parametrize("factor,width", [(2, 32), (3, 20), (4, 16), (2, 5)])
def test_pixels_move_between_channels_and_planes(factor, width):
    a = np.arange(2 * 3 * factor * factor * 6 * width, dtype="float32").reshape(2, 3 * factor * factor, 6, width)
    up = a.reshape(2, 3, factor, factor, 6, width).transpose(0, 1, 4, 2, 5, 3).reshape(2, 3, 6 * factor, width * factor)
    x = torch.nn.functional.pixel_shuffle(torch.from_numpy(a), factor)
    np.testing.assert_array_equal(x.numpy(), up)
    np.testing.assert_array_equal(torch.nn.functional.pixel_unshuffle(x, factor).numpy(), a)


def test_gradients_through_several_results():
    x = leaf(3, 4)
    for f in (lambda x: x.split(3, 1), lambda x: x.unbind(0), lambda x: x.chunk(2, 1)):
        assert gradcheck(lambda x, f=f: sum(part.sum(-1).sum() ** 2 for part in f(x)[:1]), (x,))


def test_in_place_on_a_view_changes_the_base_and_its_history():
    x = leaf(3, 4)
    y = x * 1
    y[0].mul_(2)
    y.diagonal().add_(1)
    y.sum().backward()
    assert x.grad.tolist() == [[2.0] * 4, [1.0] * 4, [1.0] * 4]
    with pytest.raises(RuntimeError, match="multiple views"):
        (x * 1).unbind()[0].mul_(2)


def test_joining_promotes_and_checks():
    a, b = torch.ones(2, 3), torch.ones(2, 3, dtype=torch.int32)
    assert torch.cat([a, b]).dtype == torch.float32
    assert torch.cat([torch.empty(0), a]).shape == (2, 3)
    assert torch.cat([a, a], 1, out=torch.empty(0)).shape == (2, 6)
    with pytest.raises(ValueError, match="non-empty list"):
        torch.cat([])
    with pytest.raises(RuntimeError, match="Expected size 3 but got size 2 for tensor number 1"):
        torch.cat([a, torch.ones(2, 2)])
    with pytest.raises(RuntimeError, match="zero-dimensional"):
        torch.cat([torch.tensor(1.0)])
    with pytest.raises(RuntimeError, match=r"\[2, 3\] at entry 0 and \[2\] at entry 1"):
        torch.stack([a, torch.ones(2)])
    images = torch.ones(2, 3, 4, 4).to(memory_format=torch.channels_last)
    assert torch.cat([images, images], 1).is_contiguous(memory_format=torch.channels_last)


def test_grids_and_products():
    a, b = torch.arange(3), torch.arange(2)
    for indexing in ("ij", "xy"):
        for ours, theirs in zip(torch.meshgrid(a, b, indexing=indexing), np.meshgrid(a.numpy(), b.numpy(), indexing=indexing), strict=True):
            np.testing.assert_array_equal(ours.numpy(), theirs)
    assert torch.cartesian_prod(a, b).tolist() == [[i, j] for i in range(3) for j in range(2)]
    assert torch.combinations(a).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert torch.block_diag(torch.ones(1, 2), torch.tensor(3.0)).tolist() == [[1, 1, 0], [0, 0, 3]]
    assert torch.nn.functional.one_hot(a, 4).tolist() == np.eye(4, dtype=int)[:3].tolist()
    assert torch.vander(torch.tensor([1, 2, 3])).tolist() == np.vander([1, 2, 3]).tolist()
    assert [t.shape for t in torch.broadcast_tensors(torch.ones(3, 1), torch.ones(2))] == [(3, 2), (3, 2)]


def test_view_of_another_dtype():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.view(torch.int32).tolist() == x.numpy().view(np.int32).tolist()
    assert x.view(torch.uint8).shape == (2, 8) and x.view(torch.complex64).tolist() == [[1 + 2j], [3 + 4j]]
    with pytest.raises(RuntimeError, match=r"stride\(-1\) must be 1"):
        x.t().view(torch.int16)


@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (lambda x: x.view(5), RuntimeError, r"shape '\[5\]' is invalid for input of size 24"),
        (lambda x: x.transpose(0, 2).view(24), RuntimeError, r"Use .reshape\(...\) instead"),
        (lambda x: x.permute(0, 0, 1), RuntimeError, "duplicate dims"),
        (lambda x: x.transpose(0, 3), IndexError, r"expected to be in range of \[-3, 2\], but got 3"),
        (lambda x: x.expand(3, 3, 4), RuntimeError, "must match the existing size"),
        (lambda x: x.split([1, 1], 1), RuntimeError, "sum exactly to 3"),
        (lambda x: x.diagonal(0, 1, 1), RuntimeError, "cannot be identical"),
        (lambda x: x.unfold(0, 3, 1), RuntimeError, "maximum size for tensor at dimension 0 is 2 but size is 3"),
        (lambda x: x.repeat(2), RuntimeError, "can not be smaller"),
        (lambda x: x.flip(0, 0), RuntimeError, "appears multiple times"),
        (lambda x: torch.nn.functional.pad(x, (4, 0), "reflect"), RuntimeError, "Padding size should be less"),
        (lambda x: torch.nn.functional.pad(x, (1, 1), "mirror"), NotImplementedError, "mirror"),
        (lambda x: x.as_strided((5,), (6,)), RuntimeError, "out of bounds for storage"),
    ],
)
def test_bad_arguments_raise(f, error, text):
    with pytest.raises(error, match=text):
        f(torch.arange(24.0).reshape(2, 3, 4))


def test_as_strided_in_place_changes_the_geometry_of_self():
    x = torch.arange(9.0)
    assert x.as_strided_((2, 2), (1, 3), 1) is x
    assert x.tolist() == [[1, 4], [2, 5]] and x.storage_offset() == 1
    y = leaf(6)
    z = (y * 2).as_strided_((2, 2), (1, 2), 1)
    z.sum().backward()
    assert y.grad.tolist() == [0, 2, 2, 2, 2, 0]
    with pytest.raises(RuntimeError, match="as_strided"):
        torch.arange(4.0).as_strided_((9,), (1,))


def test_gradients_of_as_strided_scatter():
    x, src = leaf(3, 3), leaf(2, 2)
    assert gradcheck(lambda a, b: torch.as_strided_scatter(a, b, (2, 2), (1, 2), 1), (x, src))
