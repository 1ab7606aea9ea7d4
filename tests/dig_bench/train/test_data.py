"""Training data: order and flips by seed and epoch, folders of images cropped as ADM does, rejected folders."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dig_bench.train import data
from dig_bench.train.data import ImageFolder, loaded
from dig_bench.train.data.decode import read_rgb
from dig_bench.train.data.folder import center_crop
from dig_bench.train.data.order import Pick, batches, picks


def write(path: Path, *, size: tuple[int, int] = (10, 8), colour: int | None = None, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.random.default_rng(len(path.name)).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    levels = levels if colour is None else np.full_like(levels, colour)
    Image.fromarray(levels).convert(mode).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat/b.png", "cat/a.JPEG", "dog/deep/c.webp"):
        write(tmp_path / name)
    write(tmp_path / "dog/grey.png", size=(30, 50), mode="L")
    (tmp_path / "dog/notes.txt").write_text("no image")
    (tmp_path / "cat/._b.png").write_bytes(b"metadata of macOS")
    return tmp_path


def test_every_epoch_holds_each_image_once_in_an_order_of_its_own() -> None:
    first, second = picks(10, 0, 10, seed=0), picks(10, 10, 10, seed=0)
    for epoch in (first, second):
        assert sorted(pick.number for pick in epoch) == list(range(10))
    assert first != second
    assert first != picks(10, 0, 10, seed=1)


def test_order_and_flips_are_functions_of_seed_and_position() -> None:
    """The batch size does not matter, nor does the end of an epoch."""
    whole = picks(7, 0, 21, seed=3)
    assert [pick for start in range(0, 21, 3) for pick in picks(7, start, 3, seed=3)] == whole
    resumed = batches(7, 3, seed=3, first=5)
    assert next(resumed) == whole[15:18]
    assert next(resumed) == whole[18:]


def test_another_half_of_the_images_is_mirrored_in_each_epoch() -> None:
    epochs = [{pick.number: pick.flipped for pick in picks(2000, at, 2000, seed=0)} for at in (0, 2000)]
    assert all(0.45 < sum(epoch.values()) / 2000 < 0.55 for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_classes_are_ordered_by_name(folder: Path) -> None:
    found = ImageFolder(folder, image_size=8)
    assert found.classes == ["cat", "dog"]
    assert [(file.name, label) for file, label in found.files] == [
        ("a.JPEG", 0),
        ("b.png", 0),
        ("c.webp", 1),
        ("grey.png", 1),
    ]
    image, label = found.load(Pick(3, False))
    assert (image.shape, image.dtype, label) == ((3, 8, 8), torch.float32, 1)
    assert torch.equal(image[0], image[1])


def test_levels_become_minus_one_to_one(tmp_path: Path) -> None:
    for name, colour, expected in (("a/0.png", 0, -1.0), ("a/1.png", 255, 1.0)):
        write(tmp_path / name, colour=colour)
        image, _ = ImageFolder(tmp_path, image_size=4).load(Pick(int(Path(name).stem), False))
        assert torch.equal(image, torch.full((3, 4, 4), expected))


def test_a_mirrored_image_is_its_mirror_image(folder: Path) -> None:
    found = ImageFolder(folder, image_size=8)
    plain, mirrored = (found.load(Pick(1, flipped))[0] for flipped in (False, True))
    assert torch.equal(mirrored, plain.flip(-1))
    assert not torch.equal(mirrored, plain)


def test_the_crop_is_centered() -> None:
    """A crop of 8 x 4 px to 4 px keeps the scale and drops two columns on each side."""
    levels = np.zeros((4, 8, 3), dtype=np.uint8)
    levels[:, 3] = 255
    assert np.asarray(center_crop(Image.fromarray(levels), 4))[:, :, 0].tolist() == [[0, 255, 0, 0]] * 4


def test_the_crop_halves_with_a_box_filter_before_it_interpolates() -> None:
    """A checkerboard of 16 px becomes an even gray; bicubic interpolation alone would leave a pattern."""
    board = np.indices((16, 16)).sum(0) % 2 * 255
    found = np.asarray(center_crop(Image.fromarray(np.repeat(board[..., None], 3, -1).astype(np.uint8)), 5))
    assert found.shape == (5, 5, 3)
    assert found.min() == found.max()
    assert abs(int(found[0, 0, 0]) - 127) <= 1


@pytest.mark.parametrize("size", [(13, 40), (40, 13), (5, 5), (16, 16), (300, 17)])
def test_the_crop_is_square_for_any_size(size: tuple[int, int]) -> None:
    assert center_crop(Image.new("RGB", size), 16).size == (16, 16)


def test_a_new_file_changes_the_digest(folder: Path) -> None:
    before = ImageFolder(folder, image_size=8).digest
    assert before == ImageFolder(folder, image_size=8).digest
    write(folder / "cat/new.png")
    assert before != ImageFolder(folder, image_size=8).digest


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_batches_come_in_order_with_and_without_threads(folder: Path, workers: int) -> None:
    """A batch is read in one part, in parts of unequal length, and by more threads than images."""
    found = ImageFolder(folder, image_size=8)
    wanted = [[Pick(number, False), Pick(0, True), *(Pick(n, False) for n in (1, 2, 3))] for number in (3, 1, 2, 0, 1)]
    alone, by_threads = (list(loaded(found, wanted, workers=count)) for count in (0, workers))
    assert [batch.labels.tolist()[:2] for batch in alone] == [[1, 0], [0, 0], [1, 0], [0, 0], [0, 0]]
    for a, b in zip(alone, by_threads, strict=True):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_is_named(folder: Path, workers: int) -> None:
    whole = (folder / "cat/b.png").read_bytes()
    for content in (b"", b"no image", whole[: len(whole) // 2]):
        (folder / "cat/b.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"b\.png cannot be read as an image: "):
            list(loaded(ImageFolder(folder, image_size=8), [[Pick(0, False)], [Pick(1, False)]], workers=workers))


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_an_image_with_more_than_8_bits_is_rejected_and_not_clipped(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (8, 8), 200).save(tmp_path / "deep.tiff")
    with pytest.raises(ValueError, match="8 bits per channel"):
        read_rgb(tmp_path / "deep.tiff")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("nowhere", path)])
def test_only_regular_files_are_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "0.png")
    with pytest.raises(ValueError, match=r"0\.png is not a regular file"):
        read_rgb(tmp_path / "0.png")


def test_folders_that_cannot_be_trained_on_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder at"):
        ImageFolder(tmp_path / "nowhere", image_size=8)
    with pytest.raises(ValueError, match="is empty: put images in one folder per class"):
        ImageFolder(tmp_path, image_size=8)
    write(tmp_path / "cat/a.png")
    (tmp_path / "dog").mkdir()
    with pytest.raises(ValueError, match=r"no images in .*dog: their names end in \.png"):
        ImageFolder(tmp_path, image_size=8)
    write(tmp_path / "loose.png")
    with pytest.raises(ValueError, match=r"loose\.png has no class: move it to one folder per class"):
        ImageFolder(tmp_path, image_size=8)


def test_a_dangling_link_is_named_and_a_link_to_an_image_is_an_image(folder: Path) -> None:
    (folder / "cat/c.png").symlink_to("b.png")
    assert len(ImageFolder(folder, image_size=8)) == 5
    (folder / "cat/d.png").symlink_to("nowhere.png")
    with pytest.raises(ValueError, match=r"cat/d\.png is a dangling link to nowhere\.png"):
        ImageFolder(folder, image_size=8)


def test_the_size_of_images_is_required_and_checked(folder: Path) -> None:
    with pytest.raises(ValueError, match="set --res to the size in pixels"):
        data.find(folder, image_size=None)
    with pytest.raises(ValueError, match="digits has images of 32 px, not 64"):
        data.find(None, image_size=64)
    assert data.find(folder, image_size=8).shape == (3, 8, 8)


def test_digits_are_never_mirrored() -> None:
    assert not data.find(None, image_size=32).mirrored
