"""Checkpoints as files: one safetensors file per checkpoint, and the published files of DiT, DiG and DiS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor

from dig_bench.files import json_codec
from dig_bench.train import tensor_file
from dig_bench.train.checkpoint import Checkpoint

FORMAT = "dig-bench 1"

IF_PUBLISHED = "for a published checkpoint, add --model and --res"

KINDS = ("weights", "averages", "optimizer")
"""Fields of tensors; a tensor's name in the file starts with its field: `weights.blocks.0...`."""


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Writes the file atomically. Raises ValueError, and writes nothing, if a tensor is not finite."""
    # Copies, since safetensors refuses tensors that share memory, as weights and averages may.
    tensors = {
        f"{kind}.{name}": value.detach().contiguous().to("cpu", copy=True)
        for kind in KINDS
        for name, value in getattr(checkpoint, kind).items()
    }
    if broken := next((name for name, value in tensors.items() if not value.isfinite().all()), None):
        raise ValueError(f"{broken} is not finite at step {checkpoint.step}: {path} is unchanged")
    about = {each.name: getattr(checkpoint, each.name) for each in fields(Checkpoint) if each.name not in KINDS}
    tensor_file.write(path, tensors, {"format": FORMAT, "about": json_codec.dumps(about, indent=None).strip()})


def load(path: Path, *, with_optimizer: bool = False) -> Checkpoint:
    """Reads and checks a checkpoint. Raises ValueError for a missing, broken or foreign file."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}")
    states: dict[str, dict[str, Tensor]] = {kind: {} for kind in KINDS}
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"{path} is not a checkpoint of dig-bench: {IF_PUBLISHED}")
            for key in file.keys():  # noqa: SIM118
                kind, _, name = key.partition(".")
                if kind != "optimizer" or with_optimizer:
                    states.setdefault(kind, {})[name] = file.get_tensor(key)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a safetensors file: {error}; {IF_PUBLISHED}") from None
    with errors_about(str(path)):
        about = json_codec.build(dict[str, Any], json_codec.parse(metadata.get("about", "{}")))
        found = json_codec.build(Checkpoint, about | states)
        found.check()
    return found


def is_ours(path: Path) -> bool:
    """Returns true if the file's header says that it is a checkpoint of dig-bench."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError):
        return False


def published(path: Path, *, model: str, image_size: int, num_classes: int = 1000, channels: int = 1) -> Checkpoint:
    """Reads a published file of DiT, DiG or DiS, which does not name its model.

    Raises ValueError if the weights do not fit `model` at `image_size` px.
    """
    from dig_models.published import read_checkpoint

    state = read_checkpoint(path)
    found = Checkpoint(
        model=model,
        data="published",
        image_size=image_size,
        num_classes=num_classes,
        channels=channels,
        step=0,
        weights=state,
        averages=state,
    )
    with errors_about(f"{path} as {model} at {image_size} px"):
        found.check()
    return found


@contextmanager
def errors_about(subject: str) -> Iterator[None]:
    """Prefixes error messages with the file or the option that they are about. All errors become ValueError."""
    try:
        yield
    # PyTorch raises RuntimeError for absurd sizes.
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{subject}: {error}") from None
