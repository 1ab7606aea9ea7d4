"""Generated images: batches, grids, .npz files, folders."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

pytest.importorskip("diffusers")

from dig_bench.fid.images import read
from dig_bench.sample.images import Generator, save_grid, save_npz, to_uint8
from dig_models import BackboneConfig
from dig_models.samplers import Sampling

CONFIG = BackboneConfig(latent_size=4, patch_size=2, width=8, depth=1, num_classes=9, in_channels=1)
SAMPLING = Sampling(sampler="ddim", steps=2)


def network(latent: Tensor, timestep: Tensor, label: Tensor) -> Tensor:
    network.batches.append(len(latent))  # type: ignore[attr-defined]
    return torch.cat([latent * 0.9, torch.zeros_like(latent)], dim=1)


@pytest.fixture(autouse=True)
def _no_batches() -> None:
    network.batches = []  # type: ignore[attr-defined]


def images(count: int, channels: int = 3, side: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(count, channels, side, side), dtype=np.uint8)


def generator(**options: int) -> Generator:
    return Generator(network=network, config=CONFIG, **options)


def test_batches_do_not_change_the_images_and_all_have_one_size() -> None:
    labels = [0, 1, 2, 3, 4]
    whole = generator().images(labels, SAMPLING)
    batches = generator(batch_size=2).images(labels, SAMPLING)
    assert whole.shape == (5, 1, 4, 4)
    np.testing.assert_array_equal(whole, batches)
    assert set(network.batches) == {5, 2}  # type: ignore[attr-defined]


def test_processes_that_divide_the_images_generate_the_same() -> None:
    labels = [0, 1, 2, 3, 4]
    whole = generator().images(labels, SAMPLING)
    shares = [generator().images(labels[rank::2], SAMPLING, indices=range(5)[rank::2]) for rank in range(2)]
    for rank, share in enumerate(shares):
        np.testing.assert_array_equal(whole[rank::2], share)


def test_values_out_of_range_are_clipped() -> None:
    found = to_uint8(torch.tensor([[[[-2.0, -1.0, 0.0, 1.0, 1.5]]]]))
    assert found.ravel().tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_an_npz_has_adms_layout_and_is_read_back(tmp_path: Path, channels: int) -> None:
    made = images(4, channels)
    save_npz(tmp_path / "images.npz", made, [1, 2, 3, 4])
    with np.load(tmp_path / "images.npz") as arrays:
        assert arrays["arr_0"].shape == (4, 8, 8, 3)
        assert arrays["arr_1"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(read(str(tmp_path / "images.npz")), np.repeat(made, 3 // channels, axis=1))
    assert list(tmp_path.iterdir()) == [tmp_path / "images.npz"]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_every_image_in_its_place(tmp_path: Path, channels: int) -> None:
    made = images(5, channels)
    save_grid(tmp_path / "grid.png", made, columns=3)
    with Image.open(tmp_path / "grid.png") as sheet:
        pixels = np.asarray(sheet).reshape(18, 28, channels)
    np.testing.assert_array_equal(pixels[10:18, 10:18], made[4].transpose(1, 2, 0))
    assert not pixels[10:, 20:].any()


def test_a_folder_is_read_completely_and_in_order(tmp_path: Path) -> None:
    made = images(3)
    (tmp_path / "inner").mkdir()
    for place, image in enumerate(made):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / ("inner" if place else "") / f"{place}.png")
    (tmp_path / "notes.txt").write_text("no image")
    np.testing.assert_array_equal(read(str(tmp_path)), made)


def test_sources_without_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no images in"):
        read(str(tmp_path))
    with pytest.raises(ValueError, match="no images at 'nowhere': pass a folder"):
        read("nowhere")


def test_mixed_sizes_and_broken_images_are_named(tmp_path: Path) -> None:
    for name, side in (("a.png", 8), ("b.png", 9)):
        Image.fromarray(images(1, 3, side)[0].transpose(1, 2, 0)).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"b\.png is 9 x 9 px, a\.png 8 x 8 px: all images must have one size"):
        read(str(tmp_path))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(ValueError, match=r"b\.png cannot be read as an image"):
        read(str(tmp_path))


@pytest.mark.parametrize("content", ["garbage", "floats", "empty"])
def test_foreign_npz_are_rejected(tmp_path: Path, content: str) -> None:
    path = tmp_path / "images.npz"
    match content:
        case "garbage":
            path.write_bytes(b"PK\x03\x04 and no more")
        case "floats":
            np.savez(path, np.zeros((2, 8, 8, 3)))
        case "empty":
            np.savez(path)
    with pytest.raises(
        ValueError, match=r"images\.npz(: images must be uint8| is not an \.npz of plain arrays| is empty)"
    ):
        read(str(path))
