"""What the speed table times. Each function takes a module with torch's API and returns a step to repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Step = Callable[[], Any]


def add_8(torch: Any) -> Step:
    """A hundred additions of 8 floats."""
    a, b = torch.randn(8), torch.randn(8)

    def step() -> Any:
        for _ in range(100):
            c = a + b
        return c

    return step


def grad_8(torch: Any) -> Step:
    """A product, a sum and their gradients, on 8 floats."""
    a, b = torch.randn(8, requires_grad=True), torch.randn(8)
    return lambda: (a * b).sum().backward()


def train_line(torch: Any) -> Step:
    """A training step of a linear regression on 100 points."""
    x = torch.randn(100, 1)
    return _training(torch, torch.nn.Linear(1, 1), x, 2 * x + 3, torch.optim.SGD, lr=0.01)


def train_tiny_mlp(torch: Any) -> Step:
    """A training step of a network with 5 hidden units on 100 points."""
    nn = torch.nn
    model = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 1))
    return _training(torch, model, torch.randn(100, 10), torch.randn(100, 1), torch.optim.SGD, lr=0.01)


def _training(torch: Any, model: Any, x: Any, y: Any, optimizer: Any, **options: Any) -> Step:
    opt = optimizer(model.parameters(), **options)

    def step() -> None:
        opt.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        opt.step()

    return step


def train_digit_cnn(torch: Any) -> Step:
    """A training step of a small convolutional network on 64 images of 28 x 28."""
    nn, F = torch.nn, torch.nn.functional
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(800, 10),
    )
    opt = torch.optim.Adam(model.parameters())
    x, y = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))

    def step() -> None:
        opt.zero_grad()
        F.cross_entropy(model(x), y).backward()
        opt.step()

    return step


def train_mlp_256(torch: Any) -> Step:
    """A training step of a network with two layers of 256 on 128 examples."""
    nn, F = torch.nn, torch.nn.functional
    model = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    opt = torch.optim.Adam(model.parameters())
    x, y = torch.randn(128, 256), torch.randint(0, 10, (128,))

    def step() -> None:
        opt.zero_grad()
        F.cross_entropy(model(x), y).backward()
        opt.step()

    return step


def loader(torch: Any) -> Step:
    """An epoch over 10,000 rows in shuffled batches of 128."""
    data = torch.utils.data
    batches = data.DataLoader(
        data.TensorDataset(torch.randn(10000, 16), torch.arange(10000)), batch_size=128, shuffle=True
    )

    def step() -> None:
        for _ in batches:
            pass

    return step


def chain_1m(torch: Any) -> Step:
    """tanh(3 a + 2) * a on a million floats."""
    a = torch.randn(1 << 20)
    return lambda: (a * 3 + 2).tanh() * a


def softmax_rows(torch: Any) -> Step:
    """Softmax of 1,024 rows of 1,024."""
    a = torch.randn(1024, 1024)
    return lambda: torch.softmax(a, -1)


def transpose_copy(torch: Any) -> Step:
    """A transposed 1,500 x 1,500 matrix made contiguous."""
    a = torch.randn(1500, 1500)
    return lambda: a.t().contiguous()


def sum_rows(torch: Any) -> Step:
    """Sums of the columns of a 2,000 x 2,000 matrix."""
    a = torch.randn(2000, 2000)
    return lambda: a.sum(0)


def sort_100k(torch: Any) -> Step:
    """Sorting 100,000 floats."""
    a = torch.randn(100_000)
    return lambda: torch.sort(a)


ALL = [
    add_8, grad_8, train_line, train_tiny_mlp, train_digit_cnn, train_mlp_256, loader, chain_1m, softmax_rows, transpose_copy, sum_rows, sort_100k,
]  # fmt: skip
