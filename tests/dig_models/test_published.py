"""Published checkpoints: errors name what does not fit, and no file is ever unpickled."""

import pickle
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dig_models import DiT, DiTConfig, load_published
from helpers import moved


def network(latent_size: int = 4) -> DiT:
    sizes = {"patch_size": 2, "width": 16, "depth": 1, "num_heads": 2, "num_classes": 3}
    return DiT(DiTConfig(latent_size=latent_size, **sizes), backend="math")


def test_missing_unexpected_and_misshapen_parameters_are_named() -> None:
    state = dict(moved(network()).state_dict())
    del state["blocks.0.attn.qkv.bias"]
    state["blocks.1.attn.qkv.bias"] = torch.zeros(48)
    state["final_layer.linear.bias"] = torch.zeros(7)
    with pytest.raises(ValueError, match="do not fit DiT") as error:
        load_published(network(), state)
    assert "missing: blocks.0.attn.qkv.bias" in str(error.value)
    assert "unexpected: blocks.1.attn.qkv.bias" in str(error.value)
    assert "of another shape: final_layer.linear.bias" in str(error.value)


def test_the_position_table_of_another_grid_is_skipped() -> None:
    source, target = moved(network(4)), network(8)
    load_published(target, source.state_dict())
    assert torch.equal(target.pos_embed, network(8).pos_embed)
    assert torch.equal(target.blocks[0].attn.qkv.weight, source.blocks[0].attn.qkv.weight)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_files_are_read(tmp_path: Path, suffix: str) -> None:
    source, path = moved(network()), tmp_path / f"model{suffix}"
    if suffix == ".pt":
        torch.save({"ema": source.state_dict(), "model": network().state_dict()}, path)
    else:
        save_file(source.state_dict(), path)
    loaded = load_published(network(), path)
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in loaded.state_dict().items())


class Bomb:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("exploded"),))


def test_objects_in_a_checkpoint_are_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, write in {
        "saved.pt": torch.save,
        "pickled.pt": lambda x, p: p.write_bytes(pickle.dumps(x, protocol=2)),
    }.items():
        write({"model": Bomb()}, tmp_path / name)
        with pytest.raises(ValueError, match="is not a checkpoint of plain tensors"):
            load_published(network(), tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_a_training_checkpoint_of_the_published_code_is_read(tmp_path: Path) -> None:
    source, path = moved(network()), tmp_path / "0400000.pt"
    arguments = Namespace(model="DiT-S/2", data_path="imagenet", grad_clip=None)
    checkpoint = {"model": network().state_dict(), "ema": source.state_dict(), "opt": {"state": {}}, "args": arguments}
    torch.save(checkpoint, path)
    loaded = load_published(network(), path)
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in loaded.state_dict().items())


def test_the_error_names_a_refused_object_without_advice_to_unpickle_it(tmp_path: Path) -> None:
    # Also within argparse.Namespace, which is accepted.
    torch.save({"ema": {}, "args": Namespace(data_path=Path("imagenet"))}, tmp_path / "saved.pt")
    with pytest.raises(ValueError, match=r"it contains pathlib\.\w+, which is not loaded$"):
        load_published(network(), tmp_path / "saved.pt")


def test_an_empty_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    with pytest.raises(ValueError, match=r"is not a checkpoint of plain tensors: EOFError$"):
        load_published(network(), tmp_path / "empty.pt")


@pytest.mark.parametrize("content", [{"epoch": 3}, {1: torch.zeros(1)}, [1, 2], torch.zeros(3)])
def test_files_without_a_state_dict_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="contains no state dict"):
        load_published(network(), tmp_path / "other.pt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no checkpoint at"):
        load_published(network(), tmp_path / "none.pt")
