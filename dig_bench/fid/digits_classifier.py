"""Classifier of digits whose features define FD-digits. Its weights come with the package.

`python -m dig_bench.fid.train_digits_classifier` trains them.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

SIDE_PX = 32
NUM_CLASSES = 10
NUM_FEATURES = 64
WEIGHTS = "digits_classifier.safetensors"


# B batch, F features, K classes
class DigitsClassifier(nn.Module):
    """Three strided 3x3 convolutions and two linear layers; the features are the input of the last layer."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 32, 64, 64)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1) for before, after in pairwise(widths)
        )
        side = SIDE_PX >> len(self.convolutions)
        self.features = nn.Linear(widths[-1] * side**2, NUM_FEATURES)
        self.head = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def forward(self, image_B1HW: Tensor) -> tuple[Tensor, Tensor]:
        """Maps images (B, 1, 32, 32) in [-1, 1] to features (B, F), not negative, and logits (B, K)."""
        x = image_B1HW
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        features_BF = F.relu(self.features(x.flatten(1)))
        return features_BF, self.head(features_BF)


def shipped() -> DigitsClassifier:
    """Returns the classifier with the package's weights, in evaluation mode."""
    from safetensors.torch import load_file

    classifier = DigitsClassifier()
    with as_file(files("dig_bench.fid").joinpath(WEIGHTS)) as path:
        classifier.load_state_dict(load_file(path))
    return classifier.eval().requires_grad_(False)
