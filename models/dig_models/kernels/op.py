"""KernelOp: an operation with several implementations, chosen by name and imported on first use."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import metadata, util
from typing import Any

MAX_CHOICES = 16
"""Most choices that an error message lists."""


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """Module and requirements of an implementation.

    `module` is imported on first use, never earlier. It holds a function named like the operation, and a string
    `SOURCE` that names the package, version and kernel.
    """

    module: str
    packages: tuple[str, ...] = ()
    """Import names, of which at least one has to be installed. Empty if PyTorch is enough."""
    install: str = ""
    """Command that installs the packages."""
    devices: tuple[str, ...] = ("cpu", "cuda")
    precisions: tuple[str, ...] = ("fp32", "tf32", "bf16", "fp16")
    modes: tuple[str, ...] = ("forward", "train")
    variants: tuple[str, ...] = ()
    """Kernels among which the function picks by size. With variants, it takes a keyword argument `variant`."""
    sequential: bool = False
    """Loops over tokens in Python: a specification, too slow for thousands of them."""

    def unavailable(self, *, device: str, mode: str, precision: str) -> str | None:
        """Returns the reason why it cannot run, in one line with the remedy, or None if it can."""
        if device not in self.devices:
            return f"runs on {' and '.join(self.devices)} only"
        if self.packages and not any(map(_is_installed, self.packages)):
            return f"{' or '.join(self.packages)} is not installed: {self.install}"
        if precision not in self.precisions:
            return f"takes {' and '.join(self.precisions)} only"
        if mode not in self.modes:
            return f"does {' and '.join(self.modes)} only"
        return None


class KernelOp:
    """Operation with named implementations of one signature. There is no default and no fallback."""

    def __init__(self, name: str, implementations: Mapping[str, Implementation]) -> None:
        self.name = name
        self.implementations = implementations
        self._functions: dict[str, Callable[..., Any]] = {}
        self._watch: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None

    def __getitem__(self, implementation: str) -> Callable[..., Any]:
        """Returns a function by name: `fused` picks its kernels by size, `fused:many` runs one variant.

        Raises ValueError with the choices for an unknown name, ImportError for a missing package.
        """
        if implementation not in self._functions:
            self._functions[implementation] = self._load(implementation)
        function = self._functions[implementation]
        return function if self._watch is None else self._watch(function)

    @contextmanager
    def watched(self, watch: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
        """Wraps every function of the operation with `watch` while the block runs."""
        self._watch = watch
        try:
            yield
        finally:
            self._watch = None

    def of(self, backend: Mapping[str, str]) -> Callable[..., Any]:
        """Returns the function for a backend, which maps operations to implementations."""
        return self[backend[self.name]]

    def variants(self, implementation: str) -> tuple[str, ...]:
        """Names that together run every kernel: `fused:few` and `fused:many`, or `reference` if it has no variants."""
        found = self.implementations[implementation].variants
        return tuple(f"{implementation}:{variant}" for variant in found) or (implementation,)

    def source(self, implementation: str) -> str:
        """Names the package, version and kernel of an implementation."""
        source: str = self._module(implementation).SOURCE
        return source

    def _load(self, name: str) -> Callable[..., Any]:
        implementation, separator, variant = name.partition(":")
        function: Callable[..., Any] = getattr(self._module(implementation), self.name)
        if not separator:
            return function
        if name not in self.variants(implementation):
            raise ValueError(f"{self.name} has no implementation {suggest(name, self.variants(implementation))}")
        return partial(function, variant=variant)

    def _module(self, implementation: str) -> Any:
        if implementation not in self.implementations:
            raise ValueError(f"{self.name} has no implementation {suggest(implementation, self.implementations)}")
        return importlib.import_module(self.implementations[implementation].module)


FEW_OR_MANY = ("few", "many")
"""Variants of an implementation that switches kernels at some number of tokens."""


def is_many(count: int, threshold: int, variant: str) -> bool:
    """Returns whether to run the kernel for many: as `variant` says, or by `count` if it is `auto`."""
    return variant == "many" or (variant != "few" and count >= threshold)


def source_of(distribution: str, kernel: str) -> str:
    """Returns `fla-core 0.6.0 chunk_gla`, with the version of the installed distribution."""
    return f"{distribution} {metadata.version(distribution)} {kernel}"


def suggest(name: str, choices: Iterable[str]) -> str:
    """Completes an error message about an unknown name: the nearest choice, then the choices, or the first of many."""
    choices = list(choices)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    rest = f", ... ({len(choices)} in all)" if len(choices) > MAX_CHOICES else ""
    return f"{name!r}: {hint}choices are {', '.join(choices[:MAX_CHOICES])}{rest}"


def _is_installed(package: str) -> bool:
    try:
        return util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False
