"""The graph: recording, the engine, versions, views, hooks, custom functions."""

import gc
import weakref

import pytest

import rushlight as torch
from rushlight.autograd import Function, gradcheck, gradgradcheck

pytestmark = pytest.mark.core


def leaf(*sizes):
    return torch.randn(*sizes, dtype=torch.float64, requires_grad=True)


def test_gradient_of_a_product_and_a_sum():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = torch.tensor([4.0, 5.0, 6.0], requires_grad=True)
    (x * y + x).sum().backward()
    assert x.grad.tolist() == [5.0, 6.0, 7.0]
    assert y.grad.tolist() == [1.0, 2.0, 3.0]
    (x * y).sum().backward()
    assert x.grad.tolist() == [9.0, 11.0, 13.0]


def test_broadcast_gradients_are_summed_to_the_input_shape():
    x = torch.ones(3, 1, requires_grad=True)
    y = torch.ones(4, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.shape == (3, 1) and x.grad.flatten().tolist() == [4.0] * 3
    assert y.grad.tolist() == [3.0] * 4


def test_chain_of_a_million_operators_neither_recurses_nor_leaks():
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(1_000_000):
        y = y + 1
    y.sum().backward()
    assert x.grad.item() == 1.0
    z = x
    for _ in range(300_000):
        z = z * 1.0
    del z


def test_second_backward_needs_retain_graph():
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 4.0]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_create_graph_gives_higher_derivatives():
    x = torch.tensor(2.0, requires_grad=True)
    (first,) = torch.autograd.grad(x * x * x, x, create_graph=True)
    (second,) = torch.autograd.grad(first, x, create_graph=True)
    (third,) = torch.autograd.grad(second, x)
    assert (first.item(), second.item(), third.item()) == (12.0, 12.0, 6.0)


def test_unused_input():
    x, y = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    with pytest.raises(RuntimeError, match="not have been used"):
        torch.autograd.grad((x * 2).sum(), [x, y])
    assert torch.autograd.grad((x * 2).sum(), [x, y], allow_unused=True)[1] is None
    assert torch.autograd.grad((x * 2).sum(), [x, y], materialize_grads=True)[1].item() == 0.0


def test_saved_tensor_changed_in_place_is_noticed():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*version 1; expected version 0"):
        z.sum().backward()


def test_data_starts_a_new_version_family():
    x = torch.ones(3, requires_grad=True)
    y = x * x
    x.data.add_(1)
    y.sum().backward()  # as in PyTorch, .data hides the change
    assert x.grad.tolist() == [4.0] * 3


def test_detach_shares_the_version():
    x = torch.ones(3, requires_grad=True) * 1
    y = (x * x).sum()
    x.detach().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_inplace_on_a_leaf_raises():
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        x[0].add_(1)
    with torch.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0] * 3


def test_inplace_on_a_view_rewrites_the_base():
    x = leaf(3, 4)

    def f(x):
        y = x * 1
        y[1].mul_(3)
        y[:, 2].add_(y[:, 0])
        return y.sum(1)

    assert gradcheck(f, (x,)) and gradgradcheck(f, (x,))


def test_inplace_on_the_base_reaches_the_view():
    x = leaf(4)

    def f(x):
        y = x * 1
        view = y[1:3]
        y.mul_(x)
        return view * 2

    assert gradcheck(f, (x,))


def test_inplace_of_a_constant_view_gives_the_base_a_history():
    base = torch.zeros(3)
    w = torch.tensor(2.0, requires_grad=True)
    base[1].add_(w)
    assert base.requires_grad and base.grad_fn is not None
    base.sum().backward()
    assert w.grad.item() == 1.0


def test_view_made_in_no_grad_cannot_be_changed_with_grad():
    x = torch.ones(3, requires_grad=True) * 1
    with torch.no_grad():
        v = x[0]
    assert not v.requires_grad
    with pytest.raises(RuntimeError, match="no_grad"):
        v.mul_(torch.tensor(2.0, requires_grad=True))


def test_hooks_replace_gradients_and_are_removed():
    x = torch.ones(2, requires_grad=True)
    y = x * 3
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()) or g * 10)
    y.sum().backward(retain_graph=True)
    assert seen == [[1.0, 1.0]] and x.grad.tolist() == [30.0, 30.0]
    handle.remove()
    x.grad = None
    y.sum().backward()
    assert len(seen) == 1 and x.grad.tolist() == [3.0, 3.0]


def test_hook_on_a_leaf_and_after_accumulation():
    x = torch.ones(2, requires_grad=True)
    x.register_hook(lambda g: g + 1)
    order = []
    x.register_post_accumulate_grad_hook(lambda t: order.append(t.grad.tolist()))
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and order == [[3.0, 3.0]]


def test_retain_grad_keeps_a_results_gradient():
    x = torch.ones(2, requires_grad=True)
    y = x * 3
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [6.0, 6.0]


def test_next_functions_and_names():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    assert y.grad_fn.name() == "MulBackward0"
    assert y.grad_fn.next_functions[0][0].name() == "AccumulateGrad"
    assert y.grad_fn.next_functions[0][0].variable is x
    assert y.grad_fn is y.grad_fn


def test_backward_inside_backward_over_the_same_graph():
    x = torch.ones(1, requires_grad=True)
    shared = x * 2

    class Inner(Function):
        @staticmethod
        def forward(ctx, v):
            return v * 1

        @staticmethod
        def backward(ctx, g):
            with torch.enable_grad():
                (inner,) = torch.autograd.grad((shared * 3).sum(), x, retain_graph=True)
            return g * inner

    (Inner.apply(shared) + shared).sum().backward()
    assert x.grad.item() == 2 * 6 + 2


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * g * x * x


def test_custom_function_first_and_second_order():
    x = leaf(5)
    assert gradcheck(Cube.apply, (x,)) and gradgradcheck(Cube.apply, (x,))
    assert Cube.apply(x).grad_fn.name() == "CubeBackward"


def test_custom_function_with_setup_context_and_non_tensors():
    class Scale(Function):
        @staticmethod
        def forward(x, factor):
            return x * factor, x + factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.factor = inputs[1]
            ctx.mark_non_differentiable(output[1])

        @staticmethod
        def backward(ctx, g, unused):
            assert ctx.needs_input_grad == (True, False)
            return g * ctx.factor, None

    x = torch.ones(2, requires_grad=True)
    a, b = Scale.apply(x, 3.0)
    assert a.requires_grad and not b.requires_grad
    a.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_custom_function_that_changes_its_input():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = torch.ones(2, requires_grad=True)
    y = x * 1
    z = Double.apply(y)
    assert z is y
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_custom_function_with_too_many_gradients():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g, g

    with pytest.raises(RuntimeError, match="incorrect number of gradients"):
        Wrong.apply(torch.ones(1, requires_grad=True)).backward()


def test_once_differentiable():
    class F(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = torch.ones(1, requires_grad=True)
    seed = torch.ones(1, requires_grad=True)
    (g,) = torch.autograd.grad(F.apply(x), x, seed, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


def test_cycles_through_hooks_and_contexts_are_collected():
    class Keep(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g

    class Marker:
        pass

    refs = []
    for _ in range(3):
        x = torch.ones(1, requires_grad=True)
        marker = Marker()
        x.register_hook(lambda g, x=x, marker=marker: None)
        refs.append(weakref.ref(marker))
        y = Keep.apply(x)
        marker = Marker()
        y.grad_fn._context.loop = (y, marker)
        refs.append(weakref.ref(marker))
        t = torch.ones(1)
        t.me, t.marker = t, Marker()
        refs.append(weakref.ref(t.marker))
        del x, y, t, marker
    gc.collect()
    gc.collect()  # what hung on the first cycles' nodes
    assert [r() for r in refs] == [None] * len(refs)


def test_grad_modes():
    x = torch.ones(1, requires_grad=True)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad

    @torch.no_grad()
    def f():
        return x * 2

    assert not f().requires_grad
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    with torch.inference_mode():
        y = x * 2
        assert y.is_inference()
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        y.add_(1)


def test_anomaly_mode_names_the_operator():
    x = torch.tensor([-1.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        y = x.sqrt()
        with pytest.raises(RuntimeError, match=r"'SqrtBackward0' returned nan values"):
            y.sum().backward()


def test_saved_tensors_hooks():
    packed = []

    def pack(t):
        packed.append(t.shape)
        return t.tolist()

    def unpack(v):
        return torch.tensor(v)

    x = torch.ones(2, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x.exp()
    y.sum().backward()
    assert packed and torch.allclose(x.grad, torch.ones(2).exp())


def test_inputs_argument_of_backward():
    x, y = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    (x * y).sum().backward(inputs=[x])
    assert x.grad is not None and y.grad is None


def test_errors_of_backward():
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.ones(1).backward()
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        (torch.ones(2, requires_grad=True) * 1).backward()
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        (torch.ones(2, requires_grad=True) * 1).backward(torch.ones(3))
    with pytest.raises(RuntimeError, match="floating point and complex"):
        torch.ones(2, dtype=torch.int64).requires_grad_()


def test_hooks_on_nodes_see_and_replace_gradients():
    x = torch.ones(2, requires_grad=True)
    y = x * 3
    seen = []
    pre = y.grad_fn.register_prehook(lambda outs: (outs[0] * 5,))
    post = y.grad_fn.register_hook(lambda ins, outs: seen.append((ins[0].tolist(), ins[1], outs[0].tolist())))
    twice = y.grad_fn.register_hook(lambda ins, outs: (ins[0] * 2, None))
    y.sum().backward(retain_graph=True)
    assert seen == [([15, 15], None, [5, 5])] and x.grad.tolist() == [30, 30]
    for handle in (pre, post, twice):
        handle.remove()
    x.grad = None
    y.sum().backward()
    assert len(seen) == 1 and x.grad.tolist() == [3, 3]
