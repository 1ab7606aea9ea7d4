"""Source: the code that workers import, this one's or that in another folder, say of another revision.

What other code understands may differ. It is asked once, and told no more than that.
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
    """Made by `ask`; HERE is the running code itself."""

    name: str
    """What the user calls it."""
    root: Path
    """Holds dig_bench/ and models/dig_models/."""
    version: str
    cell_fields: frozenset[str]
    protocol_fields: frozenset[str]
    backends: Mapping[str, Sequence[str]] | None = None
    """By model, those of its plugins among them; None where they need not be asked for."""

    @staticmethod
    def ask(root: Path, *, name: str, plugins: Sequence[str] = ()) -> Source:
        """Runs the code in the folder. ValueError, in one line, when it is no suite that can be asked."""
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
            last_line = next(iter(reversed(error.stderr.split("\n")[:-1])), "no word of why")
            raise ValueError(f"{name} cannot be measured by this version of dig-bench: {last_line}") from None
        except (IndexError, ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{name} cannot be measured by this version of dig-bench: {error!r}") from None
        if strangers:
            raise ValueError(f"{name} lacks a part of the suite: {strangers[0]} would be imported in its place")
        for key in ("cell_fields", "protocol_fields"):
            found[key] = frozenset(found[key])
        return Source(name=name, root=root, **found)

    def obstacle(self, cell: Cell) -> str | None:
        """Why it cannot measure the cell, as far as that shows before anything is tried."""
        if self.backends is not None and cell.backend not in self.backends.get(cell.model, ()):
            return f"{self.name} has no {cell.name}"
        unknown = [field for field in self._unknown(cell, self.cell_fields) if field != "process"]
        return f"{self.name} knows no {unknown[0]}" if unknown else None

    def check(self, protocol: Protocol) -> None:
        """ValueError when the protocol asks for something that this code does not know."""
        if unknown := self._unknown(protocol, self.protocol_fields):
            raise ValueError(f"{self.name} knows no {unknown[0]}: leave that option out")

    def protocol(self, protocol: Protocol) -> dict[str, Any]:
        """As its worker takes it."""
        return {name: value for name, value in asdict(protocol).items() if name in self.protocol_fields}

    def cell(self, cell: Cell) -> dict[str, Any]:
        """As its worker takes it."""
        return {name: value for name, value in cell.as_dict().items() if name in self.cell_fields}

    @staticmethod
    def row(cell: Cell, found: Mapping[str, Any]) -> Row:
        """Of what its worker answered. Columns that only one of the two codes has are left out, or empty."""
        return Row(**{**{name: found[name] for name in ROW_COLUMNS if name in found}, **cell.as_dict()})

    @staticmethod
    def _unknown(asked: Cell | Protocol, known: frozenset[str]) -> list[str]:
        """Fields that it does not know and that are not as they are by default."""
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
    """For a process that imports the suite from `root`, and all else from where this process does."""
    paths = [path for path in sys.path if path]
    if root != OURS:
        # A part of the suite that is missing there must not come from here.
        others = [path for path in paths if Path(path).resolve() not in (OURS, OURS / "models")]
        paths = [str(root), str(root / "models"), *others]
    return {
        # Numbers GPUs as NVML does, whose energy counter is read.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
    }
