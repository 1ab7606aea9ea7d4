"""`dig-bench fid`, and the classifier of FD-digits."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dig_bench.fid import digits_classifier
from dig_bench.fid.features import Extractor, extractor
from dig_bench.fid.scores import score
from dig_bench.run.precision import tf32
from dig_bench.sample.images import save_npz
from harness import run_command


def blobs(count: int, *, seed: int, spread: float = 4.0) -> np.ndarray:
    """Returns gray images with a bright spot at random places: uint8 (N, 1, 32, 32)."""
    generator = np.random.default_rng(seed)
    centres = 16 + spread * generator.normal(size=(count, 2, 1, 1))
    rows, columns = np.mgrid[:32, :32]
    squared = (rows - centres[:, :1]) ** 2 + (columns - centres[:, 1:]) ** 2
    return (255 * np.exp(-squared / 20)).astype(np.uint8)


def saved(folder: Path, name: str, images: np.ndarray) -> Path:
    save_npz(folder / name, images, [0] * len(images))
    return folder / name


def test_the_packaged_weights_are_small_and_state_their_accuracy() -> None:
    from safetensors import safe_open

    path = Path(digits_classifier.__file__).with_name(digits_classifier.WEIGHTS)
    assert path.stat().st_size < 2**20
    with safe_open(path, framework="pt") as file:
        assert float(file.metadata()["held_out_accuracy"]) > 0.97


def test_features_are_those_of_the_gray_image_in_any_batch() -> None:
    extract, images = extractor("digits"), blobs(300, seed=0)
    whole, coloured = extract(images), extract(np.repeat(images[:3], 3, axis=1))
    assert extract.metric == "FD-digits"
    assert whole.features.shape == (300, digits_classifier.NUM_FEATURES)
    np.testing.assert_allclose(whole.features[:3], coloured.features, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(whole.probability.sum(axis=1), 1)


def test_features_are_computed_without_tf32() -> None:
    """Real images may be read outside of a run's TF32, and fake ones within."""
    seen = []

    def network(images: Tensor) -> tuple[Tensor, Tensor]:
        seen.append((torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32))
        return images.flatten(1).float(), images.flatten(1).float()

    with tf32(True):
        Extractor(metric="", network=network, device="cpu")(np.zeros((2, 1, 2, 2), dtype=np.uint8))
    assert seen == [(False, False)]


def test_worse_images_score_worse() -> None:
    extract = extractor("digits")
    real, same, worse = (extract(blobs(400, seed=seed, spread=spread)) for seed, spread in ((0, 4), (1, 4), (2, 1)))
    near, far = (score(real, fake, metric="FD-digits") for fake in (same, worse))
    assert near.distance < 0.2 * far.distance
    assert near.recall > far.recall + 0.2
    assert (near.num_real, near.num_fake, near.distance_low) == (400, 400, None)


def test_the_command_prints_and_writes_the_scores(tmp_path: Path) -> None:
    real, fake = (saved(tmp_path, f"{seed}.npz", blobs(700, seed=seed)) for seed in (0, 1))
    ran = run_command("fid", real, fake, "--bootstrap", 20, "--infinity", "--output", tmp_path / "scores.json")
    assert ran.code == 0, ran.said
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found["metric"] == "FD-digits"
    assert found["distance_low"] <= found["distance"] <= found["distance_high"]
    assert found["distance_at_infinity"] < found["distance"]
    assert "FD-digits" in ran.out
    assert "FID" not in ran.out
    assert "700 fake, 700 real" in ran.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["few.npz"], "64 fake images are too few for a covariance of 64 features: take at least 65"),
        (["number.npz"], "images must be uint8 (N, H, W, 3), not uint8 of shape ()"),
        (["large.npz"], "FD-digits needs images of 32 x 32 px, not 40 x 40"),
        (["missing.npz"], "no images at"),
        (["real.npz", "--features", "clip"], "no features 'clip'"),
        (["real.npz", "--features", "inception:nowhere.pth"], "no weights of Inception at 'nowhere.pth'"),
        (["real.npz", "--output", "scores.txt"], "ends in .json"),
        (["missing.npz", "--bootstrap", "1"], "at least 2 resamples, not 1"),
        (["missing.npz", "--bootstrap", "-1"], "at least 2 resamples, not -1"),
    ],
)
def test_images_that_cannot_be_scored_are_named(tmp_path: Path, arguments: Sequence[str], message: str) -> None:
    real = saved(tmp_path, "real.npz", blobs(100, seed=0))
    saved(tmp_path, "few.npz", blobs(64, seed=0))
    np.savez(tmp_path / "number.npz", np.uint8(3))
    saved(tmp_path, "large.npz", np.zeros((100, 1, 40, 40), dtype=np.uint8))
    fake, *options = arguments
    ran = run_command("fid", real, tmp_path / fake, *options)
    assert ran.code == 2
    assert message in ran.err


def test_foreign_weights_are_rejected(tmp_path: Path) -> None:
    pytest.importorskip("torch_fidelity")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=r"weights\.pth does not hold weights of Inception|need torch-fidelity"):
        extractor(f"inception:{tmp_path / 'weights.pth'}")
