"""The VAE between images and latents: diffusers' AutoencoderKL, from a local folder only."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from dig_bench.files import json_codec
from dig_models.catalog import DTYPES

WEIGHTS = "diffusion_pytorch_model"


def load(path: Path, *, device: str, precision: str = "fp32") -> Any:
    """ValueError, in one line, when the folder holds none. Nothing is downloaded."""
    if not (path / "config.json").is_file():
        raise ValueError(f"no VAE at {path}: it is a folder with config.json and weights, as diffusers saves them")
    try:
        vae = _loaded(path, _config(path), safe=_are_safetensors(path), dtype=DTYPES[precision])
    except ValueError as error:
        raise ValueError(f"{path} is no AutoencoderKL as diffusers saves it: {error}") from error
    return vae.to(device).eval().requires_grad_(False)


def _config(path: Path) -> Mapping[str, Any]:
    # diffusers takes JSON that is no object for the name of a model to download.
    try:
        found = json_codec.parse((path / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"config.json cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("config.json holds no object of JSON")
    return found


def _are_safetensors(path: Path) -> bool:
    """Or else pickled, of which torch reads tensors only. ValueError for neither."""
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
    # diffusers checks no types: a config of others fails wherever a value is used.
    except Exception as error:
        _check_types(config, AutoencoderKL)
        raise ValueError(f"{type(error).__name__}: {_sentence(error)}") from error
    for names, where in ((keys["missing_keys"], "the weights"), (keys["unexpected_keys"], "the VAE of config.json")):
        if names:
            raise ValueError(f"{len(names)} parameters are not in {where}, {min(names)} among them")
    return vae


def _check_types(config: Mapping[str, Any], kind: Any) -> None:
    """ValueError for the first value that is not of its default's type."""
    for name, parameter in signature(kind).parameters.items():
        default = parameter.default
        if name in config and default is not None:
            of: Any = tuple[type(default[0]), ...] if isinstance(default, tuple) else type(default)  # type: ignore[misc]
            json_codec.build(of, config[name], f"config.json.{name}")


def _sentence(error: Exception) -> str:
    """The first: behind it diffusers gives advice on its own arguments."""
    return " ".join(str(error).split()).split(". ")[0].rstrip(".")


@contextmanager
def _silenced(name: str) -> Iterator[None]:
    """Of warnings for which an error is raised here."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
