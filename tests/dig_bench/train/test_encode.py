"""Encoding with a tiny VAE: what the shards hold, and how an interrupted run resumes."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from dig_bench.files.lock import alone_in
from dig_bench.train import data, encode, vae
from dig_bench.train.data.order import Pick
from dig_bench.train.data.shards import ABOUT, shard_file
from harness import run_command
from training import save_tiny_vae

SHARDS = ["shard-00000.safetensors", "shard-00001.safetensors", "shard-00002.safetensors"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five images in two classes, of mixed sizes."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(5):
        path = folder / ("cat" if number < 2 else "dog") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16 + 7 * number, 40, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture(scope="module")
def tiny_vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_vae(tmp_path_factory.mktemp("vae"))


def run(photos: Path, tiny_vae: Path, out: Path, *options: object) -> tuple[int, str]:
    fixed = ("--res", 16, "--shard", 2, "--device", "cpu")
    ran = run_command("encode", photos, "--vae", tiny_vae, "--out", out, *fixed, *options)
    return ran.code, ran.said


@pytest.fixture(scope="module")
def encoded(photos: Path, tiny_vae: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Latents of the photos."""
    folder = tmp_path_factory.mktemp("latents")
    code, output = run(photos, tiny_vae, folder)
    assert (code, output) == (0, f"5 images of 2 classes in {folder}")
    return folder


@pytest.fixture
def latents(encoded: Path, tmp_path: Path) -> Path:
    """A copy of them, to damage."""
    return Path(shutil.copytree(encoded, tmp_path / "latents"))


def test_latents_are_scaled_draws_of_plain_and_mirrored_images(photos: Path, tiny_vae: Path, encoded: Path) -> None:
    assert sorted(path.name for path in encoded.iterdir()) == [ABOUT, *SHARDS]
    latents = data.find(encoded, image_size=None)
    assert (len(latents), latents.num_classes, latents.shape, latents.image_size) == (5, 2, (4, 2, 2), 16)
    images, network = data.ImageFolder(photos, image_size=16), vae.load(tiny_vae, device="cpu")
    for pick in (Pick(0, False), Pick(4, False), Pick(4, True)):
        image, label = images.load(pick)
        posterior = network.encode(image[None]).latent_dist
        latent, found_label = latents.load(pick)
        assert found_label == label
        noise = (latent[None] / 0.18215 - posterior.mean) / posterior.std
        # Not the mean, but sixteen draws from a normal distribution.
        assert 0.4 < float(noise.square().mean().sqrt()) < 1.8


def test_a_resumed_run_with_another_batch_size_gives_the_same_shards(
    photos: Path, tiny_vae: Path, encoded: Path, latents: Path
) -> None:
    for name in SHARDS[1:]:
        (latents / name).unlink()
    (latents / (SHARDS[1] + ".writing")).mkdir()
    (latents / (SHARDS[1] + ".writing") / ".tmpAbCdEf").write_bytes(b"half of it")
    before = (latents / SHARDS[0]).stat().st_mtime_ns
    with pytest.raises(ValueError, match="lacks 2 of 3 shards: run the same `dig-bench encode` again to resume"):
        data.find(latents, image_size=None)
    code, output = run(photos, tiny_vae, latents, "--batch", 1)
    assert code == 0, output
    assert (latents / SHARDS[0]).stat().st_mtime_ns == before
    assert sorted(path.name for path in latents.iterdir()) == [ABOUT, *SHARDS]
    for name in SHARDS:
        whole, again = (load_file(folder / name) for folder in (encoded, latents))
        assert torch.equal(whole["labels"], again["labels"])
        # The VAE's convolutions may sum in another order.
        torch.testing.assert_close(whole["latents"], again["latents"], atol=1e-4, rtol=1e-4)


def test_processes_that_divide_the_shards_write_the_same(
    photos: Path, tiny_vae: Path, encoded: Path, tmp_path: Path
) -> None:
    images, network = data.ImageFolder(photos, image_size=16), vae.load(tiny_vae, device="cpu")
    about = encode.described(images, network, shard_size=2, seed=0)
    two = tmp_path / "two"
    two.mkdir()
    for rank in (1, 0):
        encode.prepare(two, about)
        shards = range(rank, about.num_shards, 2)
        counts = list(encode.write_shards(shards, images, network, about, two, batch_size=32, workers=2))
        assert sum(counts) == sum(len(about.span(shard)) for shard in shards)
    assert all((two / name).read_bytes() == (encoded / name).read_bytes() for name in SHARDS)


def test_two_encodings_never_share_a_folder(photos: Path, tiny_vae: Path, tmp_path: Path) -> None:
    with alone_in(tmp_path):
        code, output = run(photos, tiny_vae, tmp_path)
    assert (code, output) == (2, f"{tmp_path} is being written by process {os.getpid()}")
    assert list(tmp_path.iterdir()) == []


def test_latents_of_another_seed_are_other_data(photos: Path, tiny_vae: Path, encoded: Path, tmp_path: Path) -> None:
    """A training does not resume with them."""
    for name, seed in (("same", 0), ("other", 1)):
        run(photos, tiny_vae, tmp_path / name, "--seed", seed)
    first, same, other = (
        data.find(folder, image_size=None).digest for folder in (encoded, tmp_path / "same", tmp_path / "other")
    )
    assert first == same
    assert first != other


def test_other_latents_are_not_mixed_in(photos: Path, tiny_vae: Path, latents: Path, tmp_path: Path) -> None:
    code, output = run(photos, tiny_vae, latents, "--seed", 1)
    assert code == 2
    assert "other latents: seed is 0 there, 1 here; choose another --out" in output
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    assert "holds other files" in run(photos, tiny_vae, tmp_path / "other")[1]


def test_a_missing_vae_and_a_wrong_size_are_named(photos: Path, tiny_vae: Path, tmp_path: Path) -> None:
    code, output = run(photos, tmp_path, tmp_path / "out")
    assert code == 2
    assert "no VAE at" in output
    (tmp_path / "config.json").write_text("{}")
    assert "does not hold an AutoencoderKL saved by diffusers: " in run(photos, tmp_path, tmp_path / "out")[1]
    assert "takes images of a multiple of 8 px, not 20" in run(photos, tiny_vae, tmp_path / "out", "--res", 20)[1]
    assert not (tmp_path / "out").exists()


def test_a_corrupt_image_ends_the_run_and_finished_shards_remain(photos: Path, tiny_vae: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos/dog/4.png").write_bytes(b"no image")
    code, output = run(tmp_path / "photos", tiny_vae, tmp_path / "out")
    assert code == 2
    assert "4.png cannot be read as an image" in output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [ABOUT, *SHARDS[:2]]


def test_a_run_that_failed_before_its_first_shard_can_be_repeated(photos: Path, tiny_vae: Path, tmp_path: Path) -> None:
    """The repaired image has another size, so the digest changes."""
    shutil.copytree(photos, tmp_path / "photos")
    broken, out = tmp_path / "photos/cat/0.png", tmp_path / "out"
    broken.write_bytes(b"no image")
    assert "0.png cannot be read as an image" in run(tmp_path / "photos", tiny_vae, out)[1]
    assert [path.name for path in out.iterdir()] == [ABOUT]
    shutil.copy(photos / "cat/0.png", broken)
    code, output = run(tmp_path / "photos", tiny_vae, out)
    assert code == 0, output
    assert len(data.find(out, image_size=None)) == 5
    assert json.loads((out / ABOUT).read_text())["images"] == data.ImageFolder(photos, image_size=16).digest


def test_broken_shards_are_encoded_again(photos: Path, tiny_vae: Path, latents: Path) -> None:
    whole = [(latents / name).read_bytes() for name in SHARDS]
    for damaged in (b"", whole[1][:40], whole[1][:-1], whole[2]):
        (latents / SHARDS[1]).write_bytes(damaged)
        code, output = run(photos, tiny_vae, latents)
        assert code == 0, output
        assert [(latents / name).read_bytes() for name in SHARDS] == whole


def test_damaged_latents_are_named(latents: Path) -> None:
    path = shard_file(latents, 1)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(
        ValueError, match=r"shard-00001\.safetensors is not a shard of latents: .*; delete the file, and"
    ):
        data.find(latents, image_size=None).load(Pick(2, False))
    path.write_bytes(shard_file(latents, 2).read_bytes())
    with pytest.raises(ValueError, match=r"shard-00001\.safetensors holds latents of shape \(1, 2, 4, 2, 2\)"):
        data.find(latents, image_size=None).load(Pick(2, False))
    about = json.loads((latents / ABOUT).read_text())
    (latents / ABOUT).write_text(json.dumps({name: value for name, value in about.items() if name != "classes"}))
    with pytest.raises(ValueError, match=r"latents\.json does not describe latents: classes is missing"):
        data.find(latents, image_size=None)
    (latents / ABOUT).write_text(json.dumps(about | {"latent_shape": 3}))
    with pytest.raises(ValueError, match="latent_shape is 3, not of type list"):
        data.find(latents, image_size=None)
    (latents / ABOUT).write_text(json.dumps(about | {"shard_size": 0}))
    with pytest.raises(ValueError, match="all numbers must be at least 1"):
        data.find(latents, image_size=None)
