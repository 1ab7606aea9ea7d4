"""Benchmark suite for diffusion backbones: latency, memory, energy, and where they go."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dig_bench.cell import Cell, Key, Row
    from dig_bench.protocol import Protocol
    from dig_bench.results.manifest import read_manifest
    from dig_bench.results.read import read_rows, read_samples

__version__ = "0.1.0"

__all__ = ["Cell", "Key", "Protocol", "Row", "__version__", "read_manifest", "read_rows", "read_samples"]

_MODULES = {
    "Cell": "cell",
    "Key": "cell",
    "Row": "cell",
    "Protocol": "protocol",
    "read_manifest": "results.manifest",
    "read_rows": "results.read",
    "read_samples": "results.read",
}


def __getattr__(name: str) -> Any:
    """Imports a public name on first use: `import dig_bench` costs nothing."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
