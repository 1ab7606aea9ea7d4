"""Loads the published checkpoints of DiT, DiG and DiS.

The modules use the names of the published parameters, so there is no table of names. This module reads a file safely
and rejects parameters that do not fit.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dig_models.backbone import Backbone

StateDict = Mapping[str, Tensor]

MAX_NAMED = 8
"""Most parameters that an error names, per kind of problem."""


def load_published(model: Backbone, source: StateDict | str | Path) -> Backbone:
    """Loads parameters under their published names into the model, in place, and returns the model.

    `source` is a state dict, or a file: safetensors, or one written by torch.save, read with weights_only=True. Takes
    the averaged weights (`ema`) of a training checkpoint. Raises ValueError for parameters that are missing, unexpected
    or of another shape, and names some. Skips a sine-cosine position table of another grid: the model has its own.
    """
    state = read_checkpoint(source) if isinstance(source, str | Path) else source
    own = model.state_dict()
    fixed = {name for name, _ in model.named_buffers()}
    wrong_shape = [name for name in state.keys() & own.keys() if state[name].shape != own[name].shape]
    problems = {
        "missing": sorted(own.keys() - state.keys()),
        "unexpected": sorted(state.keys() - own.keys()),
        "of another shape": sorted(set(wrong_shape) - fixed),
    }
    found = [f"{what}: {_some(names)}" for what, names in problems.items() if names]
    if found:
        raise ValueError(f"the parameters do not fit {type(model).__name__}; " + "; ".join(found))
    model.load_state_dict({name: own[name] if name in wrong_shape else state[name] for name in own})
    return model


def _some(names: Sequence[str]) -> str:
    """Joins the first names: another kind of network would fill the screen."""
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _reason(error: Exception) -> str:
    """Returns PyTorch's message, without its advice to unpickle the file anyway."""
    text = str(error).strip()
    if forbidden := re.search(r"GLOBAL (\S+)", text):
        return f"it contains {forbidden[1]}, which is not loaded"
    if "weights_only" in text:
        return "it was not written by torch.save"
    return text.splitlines()[0] if text else type(error).__name__


def read_checkpoint(path: str | Path) -> StateDict:
    """Reads the state dict of a file. Raises ValueError if it contains none, or objects, which are never unpickled.

    Accepts argparse.Namespace, which published checkpoints store beside the weights.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path} is not a safetensors file: {error}") from None
    try:
        # The training code of DiT and DiG stores its command line beside the weights.
        with torch.serialization.safe_globals([Namespace]):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} is not a checkpoint of plain tensors: {_reason(error)}") from error
    for key in ("ema", "model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise ValueError(f"{path} contains no state dict")
    return content
