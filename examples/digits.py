"""Trains a small convolutional network on scikit-learn's 1,797 handwritten digits, and shows what it learned.

    python examples/digits.py [--epochs N] [--out FOLDER] [--seed S]

Prints the accuracy on held-out images, precision, recall and F1 of each digit and the confusion matrix; writes
curves.png, predictions.png and model.pt to the output folder, loads the model again and checks that it predicts the same.
"""

from __future__ import annotations

import argparse
import copy
import pathlib
import time

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

import rushlight as torch
from rushlight import nn
from rushlight.nn import functional as F
from rushlight.utils.data import DataLoader, TensorDataset, random_split

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


class DigitNet(nn.Module):
    """Two convolutions and two linear layers for images of 1 x 8 x 8; logits of 10 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(64)
        self.dropout = nn.Dropout(0.3)
        self.hidden = nn.Linear(64 * 4 * 4, 128)
        self.logits = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        x = self.dropout(torch.flatten(x, 1))
        return self.logits(self.dropout(F.relu(self.hidden(x))))


def load(seed: int) -> tuple[TensorDataset, TensorDataset, TensorDataset]:
    """Training, validation and test images: 60, 15 and 25 per cent, drawn with the seed."""
    digits = load_digits()
    images = torch.from_numpy(digits.images.astype(np.float32) / 16.0).unsqueeze(1)
    labels = torch.from_numpy(digits.target.astype(np.int64))
    n = len(labels)
    sizes = [int(0.6 * n), int(0.15 * n)]
    parts = random_split(
        TensorDataset(images, labels), [*sizes, n - sum(sizes)], generator=torch.Generator().manual_seed(seed)
    )
    index = [torch.tensor(list(p.indices)) for p in parts]
    train, validation, test = (TensorDataset(images[i], labels[i]) for i in index)
    return train, validation, test


def shift(images: torch.Tensor) -> torch.Tensor:
    """Augmentation: the batch moved by up to one pixel in each direction, the edge filled with background."""
    dx, dy = torch.randint(0, 3, (2,)).tolist()
    return F.pad(images, (1, 1, 1, 1))[:, :, dy : dy + 8, dx : dx + 8]


@torch.no_grad()
def evaluate(model: nn.Module, data: TensorDataset) -> tuple[float, float, torch.Tensor]:
    """Mean loss, accuracy and predictions."""
    model.eval()
    images, labels = data.tensors
    logits = model(images)
    predicted = logits.argmax(1)
    return F.cross_entropy(logits, labels).item(), (predicted == labels).float().mean().item(), predicted


def train(
    model: nn.Module, data: TensorDataset, validation: TensorDataset, epochs: int, patience: int = 12
) -> dict[str, list[float]]:
    """Trains until the validation loss has not improved for `patience` epochs; keeps the best weights."""
    loader = DataLoader(data, batch_size=32, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    history: dict[str, list[float]] = {"train": [], "validation": [], "accuracy": []}
    best, best_state, waited = float("inf"), copy.deepcopy(model.state_dict()), 0
    bar = tqdm(range(epochs), desc="training", unit="epoch")
    for _ in bar:
        model.train()
        total = 0.0
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(shift(images)), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        schedule.step()
        loss, accuracy, _ = evaluate(model, validation)
        history["train"].append(total / len(data))
        history["validation"].append(loss)
        history["accuracy"].append(accuracy)
        bar.set_postfix(loss=f"{total / len(data):.3f}", val_loss=f"{loss:.3f}", val_acc=f"{accuracy:.3f}")
        if loss < best:
            best, best_state, waited = loss, copy.deepcopy(model.state_dict()), 0
        else:
            waited += 1
            if waited > patience:
                break
    model.load_state_dict(best_state)
    return history


def confusion(labels: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
    """10 x 10 counts: true digit by row, prediction by column."""
    return torch.bincount(labels * 10 + predicted, minlength=100).reshape(10, 10)


def report(matrix: torch.Tensor) -> None:
    """Precision, recall and F1 of each digit, then the matrix."""
    hits = matrix.diagonal().double()
    precision = hits / matrix.sum(0).clamp(min=1)
    recall = hits / matrix.sum(1).clamp(min=1)
    f1 = 2 * precision * recall / (precision + recall).clamp(min=1e-12)
    print("digit  precision  recall      F1")
    for d in range(10):
        print(f"{d:5d}  {precision[d].item():9.3f}  {recall[d].item():6.3f}  {f1[d].item():6.3f}")
    print("confusion matrix (rows: true digit, columns: prediction)")
    for row in matrix.tolist():
        print(" ".join(f"{v:4d}" for v in row))


def draw(history: dict[str, list[float]], test: TensorDataset, predicted: torch.Tensor, out: pathlib.Path) -> None:
    """The learning curves, and a sheet of test images under their predictions (wrong ones in red)."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    left.plot(history["train"], label="training")
    left.plot(history["validation"], label="validation")
    left.set(xlabel="epoch", ylabel="cross-entropy", title="loss", yscale="log")
    left.legend()
    right.plot(history["accuracy"])
    right.set(xlabel="epoch", ylabel="accuracy", title="validation accuracy")
    figure.tight_layout()
    figure.savefig(out / "curves.png", dpi=120)
    plt.close(figure)
    images, labels = test.tensors
    figure, axes = plt.subplots(5, 10, figsize=(10, 6))
    for i, axis in enumerate(axes.flat):
        axis.imshow(images[i, 0].numpy(), cmap="gray_r")
        axis.set_title(f"{predicted[i].item()}", color="black" if predicted[i] == labels[i] else "red", fontsize=10)
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(out / "predictions.png", dpi=120)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("digits-out"))
    args = parser.parse_args()
    start = time.perf_counter()
    torch.manual_seed(args.seed)
    training, validation, test = load(args.seed)
    model = DigitNet()
    history = train(model, training, validation, args.epochs)
    _, accuracy, predicted = evaluate(model, test)
    report(confusion(test.tensors[1], predicted))
    args.out.mkdir(parents=True, exist_ok=True)
    draw(history, test, predicted, args.out)
    torch.save(model.state_dict(), args.out / "model.pt")
    again = DigitNet()
    again.load_state_dict(torch.load(args.out / "model.pt"))
    if not torch.equal(evaluate(again, test)[2], predicted):
        raise RuntimeError("the reloaded model predicts otherwise")
    print(
        f"{len(history['train'])} epochs, {time.perf_counter() - start:.1f} s; curves, predictions and the model are in {args.out}/"
    )
    print(f"test accuracy: {100 * accuracy:.1f} %")


if __name__ == "__main__":
    main()
