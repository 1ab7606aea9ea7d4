"""Loads a VAE, diffusers' AutoencoderKL, from a local folder. Nothing is downloaded."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from dig_bench.files import json_codec
from dig_bench.render.text import count
from dig_models.catalog import DTYPES

WEIGHTS = "diffusion_pytorch_model"


def load(path: Path, *, device: str, precision: str = "fp32") -> Any:
    """Returns the VAE in evaluation mode. Raises ValueError if the folder does not hold one."""
    if not (path / "config.json").is_file():
        raise ValueError(f"no VAE at {path}: pass a folder with config.json and weights, as diffusers saves them")
    try:
        vae = _loaded(path, _config(path), safe=_are_safetensors(path), dtype=DTYPES[precision])
    except ValueError as error:
        raise ValueError(f"{path} does not hold an AutoencoderKL saved by diffusers: {error}") from error
    return vae.to(device).eval().requires_grad_(False)


def _config(path: Path) -> Mapping[str, Any]:
    # diffusers takes JSON that is not an object for the name of a model to download.
    try:
        found = json_codec.parse((path / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"config.json cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("config.json does not hold a JSON object")
    return found


def _are_safetensors(path: Path) -> bool:
    """Returns true for safetensors, false for pickled weights, of which torch reads only tensors.

    Raises ValueError if there are no weights.
    """
    for suffix in ("safetensors", "bin"):
        if any((path / f"{WEIGHTS}.{suffix}{index}").is_file() for index in ("", ".index.json")):
            return suffix == "safetensors"
    raise ValueError(f"{WEIGHTS}.safetensors is missing")


def _loaded(path: Path, config: Mapping[str, Any], *, safe: bool, dtype: torch.dtype) -> Any:
    from diffusers import AutoencoderKL

    try:
        with _silenced("diffusers.models.modeling_utils"):
            vae, keys = AutoencoderKL.from_pretrained(
                path, local_files_only=True, use_safetensors=safe, torch_dtype=dtype, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(_sentence(error)) from error
    except MemoryError:
        raise
    # diffusers does not check types: a wrong one fails wherever the value is used.
    except Exception as error:
        _check_types(config, AutoencoderKL)
        raise ValueError(f"{type(error).__name__}: {_sentence(error)}") from error
    for names, lacks in ((keys["missing_keys"], "the weights lack"), (keys["unexpected_keys"], "config.json lacks")):
        if names:
            raise ValueError(f"{lacks} {count(len(names), 'parameter')}, such as {min(names)}")
    return vae


def _check_types(config: Mapping[str, Any], kind: Any) -> None:
    """Raises ValueError for the first value whose type differs from its default's."""
    for name, parameter in signature(kind).parameters.items():
        default = parameter.default
        if name in config and default is not None:
            of: Any = tuple[type(default[0]), ...] if isinstance(default, tuple) else type(default)  # type: ignore[misc]
            json_codec.build(of, config[name], f"config.json.{name}")


def _sentence(error: Exception) -> str:
    """Returns the first sentence: the next ones give advice on arguments of diffusers."""
    return " ".join(str(error).split()).split(". ")[0].rstrip(".")


@contextmanager
def _silenced(name: str) -> Iterator[None]:
    """Silences warnings that are raised as errors here."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
