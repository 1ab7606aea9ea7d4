"""Trains the classifier of FD-digits and writes its weights into the package, in a minute on a CPU.

    python -m dig_bench.fid.train_digits_classifier

Every fifth digit is held out to measure the accuracy; the others are shifted by up to two pixels.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from dig_bench.fid.digits_classifier import WEIGHTS, DigitsClassifier
from dig_bench.train import data

SEED = 0
EPOCHS = 30
BATCH = 100
MAX_SHIFT_PX = 2
HELD_OUT_EVERY = 5


# N images, B batch
def fit(images_N1HW: Tensor, label_N: Tensor, *, epochs: int = EPOCHS) -> DigitsClassifier:
    """Trains with AdamW and a one-cycle learning rate; reproducible on one machine."""
    torch.manual_seed(SEED)
    classifier = DigitsClassifier()
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=1e-3, weight_decay=1e-2)
    steps = epochs * (len(images_N1HW) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    for _ in range(epochs):
        for chosen_B in torch.randperm(len(images_N1HW)).split(BATCH)[: len(images_N1HW) // BATCH]:
            _, logits_BK = classifier(shifted(images_N1HW[chosen_B]))
            loss = F.cross_entropy(logits_BK, label_N[chosen_B], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return classifier.eval()


def shifted(images_B1HW: Tensor) -> Tensor:
    """Shifts all images of a batch by the same whole pixels, and fills the edge with black."""
    side = images_B1HW.shape[-1]
    padded = F.pad(images_B1HW, (MAX_SHIFT_PX,) * 4, value=-1.0)
    down, right = torch.randint(2 * MAX_SHIFT_PX + 1, (2,)).tolist()
    return padded[..., down : down + side, right : right + side]


@torch.inference_mode()
def accuracy(classifier: DigitsClassifier, images_N1HW: Tensor, label_N: Tensor) -> float:
    """Returns the share of digits that are classified correctly."""
    _, logits_NK = classifier(images_N1HW)
    return float((logits_NK.argmax(dim=1) == label_N).float().mean())


def main() -> None:
    """Trains, measures the accuracy, and writes the weights."""
    digits = data.digits()
    images_N1HW, label_N = torch.as_tensor(digits.images), torch.as_tensor(digits.labels)
    held_out_N = torch.arange(len(label_N)) % HELD_OUT_EVERY == 0
    classifier = fit(images_N1HW[~held_out_N], label_N[~held_out_N])
    found = accuracy(classifier, images_N1HW[held_out_N], label_N[held_out_N])
    path = Path(__file__).with_name(WEIGHTS)
    save_file(classifier.state_dict(), path, metadata={"held_out_accuracy": f"{found:.4f}"})
    print(f"{path}: {found:.2%} of {int(held_out_N.sum())} held-out digits classified correctly")


if __name__ == "__main__":
    main()
