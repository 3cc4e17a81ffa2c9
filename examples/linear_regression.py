"""A first program: a line fitted to noisy points by gradient descent.

    python examples/linear_regression.py

Prints the slope and the intercept that were found (2 and 3 made the data) and writes linear_regression.png.
"""

import matplotlib

import rushlight as torch
from rushlight import nn

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

torch.manual_seed(0)
x = torch.randn(100, 1)
y = 2 * x + 3 + 0.5 * torch.randn(100, 1)

model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses = []
for _ in range(100):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

print(f"slope {model.weight.item():.3f}, intercept {model.bias.item():.3f}, mean squared error {losses[-1]:.4f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
left.scatter(x.numpy(), y.numpy(), s=8)
ends = torch.tensor([[x.min().item()], [x.max().item()]])
left.plot(ends.numpy(), model(ends).detach().numpy(), color="tab:red")
left.set(title="data and fitted line", xlabel="x", ylabel="y")
right.plot(losses)
right.set(title="loss", xlabel="step", ylabel="mean squared error", yscale="log")
figure.tight_layout()
figure.savefig("linear_regression.png", dpi=120)
