"""A second program: a network with one hidden layer learns two interleaved spirals.

    python examples/mlp.py

Prints loss and accuracy while it learns and writes mlp.png, the plane coloured by the network's answer.
"""

import math

import matplotlib

import rushlight as torch
from rushlight import nn

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

torch.manual_seed(0)
n = 200
angle = torch.rand(2, n) * 3 * math.pi + 0.5
side = torch.tensor([[0.0], [math.pi]])
points = torch.stack([angle * torch.cos(angle + side), angle * torch.sin(angle + side)], -1) / 10 + 0.02 * torch.randn(
    2, n, 2
)
x = points.reshape(-1, 2)
y = torch.arange(2).repeat_interleave(n)

model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(1, 1001):
    optimizer.zero_grad()
    logits = model(x)
    loss = nn.functional.cross_entropy(logits, y)
    loss.backward()
    optimizer.step()
    if step % 200 == 0:
        accuracy = (logits.argmax(1) == y).float().mean()
        print(f"step {step:4d}  loss {loss.item():.4f}  accuracy {accuracy.item():.3f}")

with torch.no_grad():
    axis = torch.linspace(-1.2, 1.2, 200)
    grid = torch.cartesian_prod(axis, axis)
    answer = model(grid).softmax(-1)[:, 1].reshape(200, 200).t()
plt.imshow(answer.numpy(), extent=(-1.2, 1.2, -1.2, 1.2), origin="lower", cmap="coolwarm", alpha=0.6)
plt.scatter(x[:, 0].numpy(), x[:, 1].numpy(), c=y.numpy(), cmap="coolwarm", s=8, edgecolors="k", linewidths=0.2)
plt.title("two spirals")
plt.savefig("mlp.png", dpi=120)
