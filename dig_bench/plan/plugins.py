"""Plugins: backbones from installed packages, and from files given with `--plugin`.

A plugin provides a mapping `BACKBONES: dict[str, Model]` of names to architectures and their configurations. A package
names the mapping in the entry-point group `dig_bench.backbones`; a file defines it. Loading a plugin runs its code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata, util
from pathlib import Path

from dig_models import CATALOG, Backbone, BackboneConfig, Model, suggest

GROUP = "dig_bench.backbones"

_NAME = re.compile(r"[\w.+-]+(/[\w.+-]+)*")
"""Names without @, comma and glob characters, which the command line uses."""


def load(files: Sequence[str | Path] = ()) -> None:
    """Adds the backbones of installed plugins and of these files to CATALOG. Loading a plugin twice changes nothing.

    Raises ValueError, in one line, for a plugin that cannot be loaded or whose mapping is wrong.
    """
    for entry_point in metadata.entry_points(group=GROUP):
        _add(_from_entry_point(entry_point), f"plugin {entry_point.name} ({entry_point.value})")
    for file in files:
        _add(_from_file(Path(file).resolve()), f"plugin {file}")


@cache
def _from_entry_point(entry_point: metadata.EntryPoint) -> object:
    try:
        loaded = entry_point.load()
    except Exception as error:
        raise ValueError(f"plugin {entry_point.name} ({entry_point.value}) cannot be loaded: {_line(error)}") from error
    # `package.module:BACKBONES`, or the module that holds it.
    return getattr(loaded, "BACKBONES", loaded)


@cache
def _from_file(path: Path) -> object:
    if not path.is_file():
        raise ValueError(f"plugin {path} is not a file")
    spec = util.spec_from_file_location(f"{GROUP}.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"plugin {path} is not a Python file: its name must end in .py")
    module = util.module_from_spec(spec)
    # Dataclasses look up their module here while it runs.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"plugin {path} cannot be loaded: {_line(error)}") from error
    return getattr(module, "BACKBONES", None)


def _add(backbones: object, origin: str) -> None:
    if not isinstance(backbones, Mapping):
        raise ValueError(f"{origin} has no mapping BACKBONES of names to Model(architecture, config)")
    for name, model in backbones.items():
        if fault := _fault(name, model):
            raise ValueError(f"{origin}: {fault}")
        if CATALOG.setdefault(name, model) is not model:
            raise ValueError(f"{origin}: {name} is taken, choose another name")


def _fault(name: object, model: object) -> str | None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"{name!r} is not a valid model name: use letters, digits and . + - /"
    if not isinstance(model, Model):
        return f"{name} is not a Model(architecture, config)"
    architecture, config = model
    if not (isinstance(architecture, type) and issubclass(architecture, Backbone)):
        return f"the architecture of {name} is not a subclass of dig_models.Backbone"
    if not isinstance(config, BackboneConfig):
        return f"the config of {name} is not a dig_models.BackboneConfig"
    if missing := [name for name in ("backends", "default_backends") if not hasattr(architecture, name)]:
        return f"{architecture.__name__} does not define {' and '.join(missing)}"
    if abstract := sorted(architecture.__abstractmethods__):
        return f"{architecture.__name__} does not implement {' and '.join(abstract)}"
    named = {"reference_backend": architecture.reference_backend}
    named |= {f"default_backends[{device!r}]": backend for device, backend in architecture.default_backends.items()}
    for attribute, backend in named.items():
        if backend not in architecture.backends:
            return f"{architecture.__name__}.{attribute} has no backend {suggest(backend, architecture.backends)}"
    return None


def _line(error: Exception) -> str:
    """Formats an exception in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
