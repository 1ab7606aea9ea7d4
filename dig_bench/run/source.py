"""Source: the code that workers import, this one or that in another folder, such as another revision.

Other code may know other fields. It is asked for them once, and receives only those that it knows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dig_bench import __version__
from dig_bench.cell import CELL_COLUMNS, ROW_COLUMNS, Cell, Row
from dig_bench.protocol import Protocol

OURS = Path(__file__).resolve().parents[2]

ASK_TIMEOUT_S = 300.0
"""Importing torch from a cold disk takes a minute."""

_QUESTION = """
import json, sys
from dataclasses import fields
import dig_bench, dig_models
from dig_bench.plan import plugins
from dig_bench.cell import Cell
from dig_bench.protocol import Protocol
plugins.load(sys.argv[1:])
print(json.dumps({
    "version": dig_bench.__version__,
    "files": [dig_bench.__file__, dig_models.__file__],
    "cell_fields": [field.name for field in fields(Cell)],
    "protocol_fields": [field.name for field in fields(Protocol)],
    "backends": {name: list(model.architecture.backends) for name, model in dig_models.CATALOG.items()},
}))
"""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Code to measure with, as `ask` describes it; HERE is the running code."""

    name: str
    """Name that messages use."""
    root: Path
    """Folder with dig_bench/ and models/dig_models/."""
    version: str
    cell_fields: frozenset[str]
    protocol_fields: frozenset[str]
    backends: Mapping[str, Sequence[str]] | None = None
    """Model -> backends, plugins included; None for the running code, which knows all cells of a plan."""

    @staticmethod
    def ask(root: Path, *, name: str, plugins: Sequence[str] = ()) -> Source:
        """Asks the code in the folder what it knows. Raises ValueError when this version cannot measure it."""
        command = [sys.executable, "-P", "-c", _QUESTION, *plugins]
        try:
            answer = subprocess.run(
                command, env=worker_environment(root), capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=True
            )
            found = json.loads(answer.stdout.splitlines()[-1])
            strangers = [file for file in found.pop("files") if not Path(file).resolve().is_relative_to(root.resolve())]
        except subprocess.TimeoutExpired:
            raise ValueError(f"{name} does not answer within {ASK_TIMEOUT_S:g} s") from None
        except subprocess.CalledProcessError as error:
            last_line = next(iter(reversed(error.stderr.split("\n")[:-1])), "it printed no reason")
            raise ValueError(f"{name} cannot be measured by this version of dig-bench: {last_line}") from None
        except (IndexError, ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{name} cannot be measured by this version of dig-bench: {error!r}") from None
        if strangers:
            raise ValueError(f"{name} lacks a part of the suite: Python would import {strangers[0]} in its place")
        for key in ("cell_fields", "protocol_fields"):
            found[key] = frozenset(found[key])
        return Source(name=name, root=root, **found)

    def unavailable(self, cell: Cell) -> str | None:
        """Returns the reason why this code cannot measure the cell; None when it may."""
        if self.backends is not None and cell.backend not in self.backends.get(cell.model, ()):
            return f"{self.name} has no {cell.name}"
        unknown = [field for field in self._unknown(cell, self.cell_fields) if field != "process"]
        return f"{self.name} knows no {unknown[0]}" if unknown else None

    def check(self, protocol: Protocol) -> None:
        """Raises ValueError for a protocol that this code cannot follow."""
        if unknown := self._unknown(protocol, self.protocol_fields):
            raise ValueError(f"{self.name} knows no {unknown[0]}: leave that option out")

    def protocol(self, protocol: Protocol) -> dict[str, Any]:
        """Returns the protocol as this code's workers take it."""
        return {name: value for name, value in asdict(protocol).items() if name in self.protocol_fields}

    def cell(self, cell: Cell) -> dict[str, Any]:
        """Returns the cell as this code's workers take it."""
        return {name: value for name, value in cell.as_dict().items() if name in self.cell_fields}

    @staticmethod
    def row(cell: Cell, found: Mapping[str, Any]) -> Row:
        """Builds the row from a worker's reply. Unknown columns are dropped, missing ones stay empty."""
        return Row(**{**{name: found[name] for name in ROW_COLUMNS if name in found}, **cell.as_dict()})

    @staticmethod
    def _unknown(asked: Cell | Protocol, known: frozenset[str]) -> list[str]:
        """Fields that are unknown there and differ from their defaults."""
        return [
            field.name
            for field in fields(asked)
            if field.name not in known and getattr(asked, field.name) != field.default
        ]


HERE = Source(
    name="this code",
    root=OURS,
    version=__version__,
    cell_fields=frozenset(CELL_COLUMNS),
    protocol_fields=frozenset(field.name for field in fields(Protocol)),
)


def worker_environment(root: Path) -> dict[str, str]:
    """Returns the environment of a process that imports the suite from `root`, and all else as this process does."""
    paths = [path for path in sys.path if path]
    if root != OURS:
        # A part of the suite that is missing there must not come from the running code.
        others = [path for path in paths if Path(path).resolve() not in (OURS, OURS / "models")]
        paths = [str(root), str(root / "models"), *others]
    return {
        # NVML, whose energy counter is read, numbers GPUs by bus.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
    }
