"""Folders of a VAE: what is loaded, and the one line that rejects a broken one."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("diffusers")

from dig_bench.train import vae
from training import save_tiny_vae

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_vae(tmp_path_factory.mktemp("vae"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "vae"))


def refusal(folder: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """Returns the reason, after the common start of the message. Nothing else is printed."""
    with pytest.raises(ValueError, match="does not hold an AutoencoderKL") as raised:
        vae.load(folder, device="cpu")
    assert capfd.readouterr() == ("", "")
    start, reason = str(raised.value).split(" does not hold an AutoencoderKL saved by diffusers: ")
    assert start == str(folder)
    assert "\n" not in reason
    return reason


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"latent_channels": "x"}, "config.json.latent_channels is 'x', not of type int"),
        ({"block_out_channels": 7}, "config.json.block_out_channels is 7, not of type list"),
        ({"down_block_types": [1] * 4}, "config.json.down_block_types[0] is 1, not of type str"),
        ({"norm_num_groups": 0}, "ZeroDivisionError: integer modulo by zero"),
    ],
)
def test_wrong_values_in_the_config_are_named(
    folder: Path, capfd: pytest.CaptureFixture[str], values: dict[str, object], reason: str
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))
    assert refusal(folder, capfd) == reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[1]", "config.json does not hold a JSON object"),
        ("{", "config.json cannot be read: "),
        ("[" * 10**5, "nested"),
    ],
)
def test_a_config_that_is_not_an_object_is_never_downloaded(
    folder: Path, capfd: pytest.CaptureFixture[str], content: str, reason: str
) -> None:
    (folder / "config.json").write_text(content)
    assert reason in refusal(folder, capfd)


def test_weights_that_are_missing_or_broken_are_named(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:100])
    assert f"{folder / WEIGHTS}" in refusal(folder, capfd)
    (folder / WEIGHTS).unlink()
    assert refusal(folder, capfd) == f"{WEIGHTS} is missing"


def test_weights_of_another_vae_are_rejected(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    weights, name = load_file(folder / WEIGHTS), "encoder.conv_in.bias"
    save_file(weights | {name: torch.zeros(3)}, folder / WEIGHTS)
    reason = refusal(folder, capfd)
    assert name in reason
    assert "http" not in reason
    save_file(weights | {"more": torch.zeros(3)}, folder / WEIGHTS)
    assert refusal(folder, capfd) == "config.json lacks 1 parameter, such as more"
    del weights[name]
    save_file(weights, folder / WEIGHTS)
    assert refusal(folder, capfd) == f"the weights lack 1 parameter, such as {name}"


def test_pickled_weights_are_loaded_silently_and_as_tensors_only(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights, pickled = load_file(folder / WEIGHTS), folder / "diffusion_pytorch_model.bin"
    (folder / WEIGHTS).unlink()
    torch.save(weights, pickled)
    loaded = vae.load(folder, device="cpu").state_dict()
    assert capfd.readouterr() == ("", "")
    assert all(torch.equal(loaded[name], value) for name, value in weights.items())
    torch.save(weights | {"more": pytest.fixture}, pickled)
    assert f"{pickled}" in refusal(folder, capfd)
