"""Extracts features of images, with the package's classifier of digits or with Inception, as FID defines it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dig_bench.fid import digits_classifier
from dig_bench.fid.frechet import Array
from dig_bench.run.precision import tf32
from dig_models.published import read_checkpoint

_BATCH = 250


# N images, C channels, D features, K classes
@dataclass(frozen=True, kw_only=True)
class Features:
    """Features and class probabilities of images."""

    features: Array
    """(N, D)"""
    probability: Array
    """(N, K), over the classes of the network."""


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """Network that extracts features, on a device."""

    metric: str
    """Name of the distance between its features: `FID` for Inception only."""
    network: Callable[[Tensor], tuple[Tensor, Tensor]]
    """Maps images, uint8 (B, C, H, W), to features (B, D) and logits (B, K)."""
    device: str

    def __call__(self, images_NCHW: NDArray[np.uint8]) -> Features:
        """Extracts features in batches, without TF32. Raises ValueError for images that the network does not take."""
        features, probabilities = [], []
        with torch.inference_mode(), tf32(False):
            for start in range(0, len(images_NCHW), _BATCH):
                batch = torch.from_numpy(images_NCHW[start : start + _BATCH]).to(self.device)
                features_BD, logits_BK = self.network(batch)
                features.append(features_BD.double().cpu())
                probabilities.append(logits_BK.double().softmax(dim=1).cpu())
        return Features(features=torch.cat(features).numpy(), probability=torch.cat(probabilities).numpy())


def extractor(name: str, *, device: str = "cpu") -> Extractor:
    """Returns the extractor `digits`, or `inception:FILE` with the weights that torch-fidelity publishes.

    Raises ValueError for another name, and for a file that does not hold these weights.
    """
    kind, _, path = name.partition(":")
    if name == "digits":
        return _digits(device)
    if kind == "inception":
        return _inception(Path(path), device)
    raise ValueError(f"no features {name!r}: choose digits, or inception:FILE with a local file of weights")


def _digits(device: str) -> Extractor:
    classifier = digits_classifier.shipped().to(device)
    side = digits_classifier.SIDE_PX

    def network(images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        if images_BCHW.shape[2:] != (side, side):
            height, width = images_BCHW.shape[2:]
            raise ValueError(f"FD-digits needs images of {side} x {side} px, not {height} x {width}")
        grey_B1HW = images_BCHW.float().mean(dim=1, keepdim=True)
        return classifier(grey_B1HW / 127.5 - 1)

    return Extractor(metric="FD-digits", network=network, device=device)


def _inception(path: Path, device: str) -> Extractor:
    if not path.is_file():
        raise ValueError(f"no weights of Inception at {str(path)!r}: pass inception:FILE, nothing is downloaded")
    # torch-fidelity unpickles anything; this refuses everything but tensors.
    read_checkpoint(path)
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise ValueError(f"Inception's features need torch-fidelity ({error}): pip install torch-fidelity") from None
    try:
        inception = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
        )
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} does not hold weights of Inception: {str(error).splitlines()[0]}") from error
    inception.to(device).eval()

    def network(images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        features_BD, logits_BK = inception(images_BCHW.expand(-1, 3, -1, -1))
        return features_BD, logits_BK

    return Extractor(metric="FID", network=network, device=device)
