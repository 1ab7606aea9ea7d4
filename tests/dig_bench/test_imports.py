"""Imports run one way, held over the syntax tree: who may know whom, and who may pay for torch."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dig_bench
import dig_models

SUITE, MODELS = (Path(str(package.__file__)).parent for package in (dig_bench, dig_models))

KNOWS = {
    "__init__": "",
    "cell": "",
    "from_json": "",
    "protocol": "",
    "clock": "",
    # It times any callable.
    "measure": "torch",
    "environment": "measure",
    "paper": "",
    # Neither imports torch, nor the models: a report is made on a laptop.
    "store": "table cell clock environment lock disk",
    "table": "cell",
    "lock": "disk",
    "disk": "",
    "device_lock": "lock clock measure",
    "report": "cell store paper disk",
    "output_file": "disk",
    "compare": "cell store only environment report output_file source disk",
    "claims": "cell compare paper report store",
    "history": "cell clock compare disk report store",
    "train": "disk lock from_json dig_models torch",
    "fid": "train sample gate dig_models torch",
    "sample": "train disk protocol execution dig_models torch",
    "parity": "train sample fid report disk from_json lock device_lock environment execution gate dig_models torch",
    "plugins": "dig_models",
    "devices": "torch",
    "execution": "measure dig_models torch",
    "gate": "execution cell protocol dig_models torch",
    "obstacle": "cell dig_models",
    "runner": "sample gate execution measure environment obstacle protocol cell clock dig_models torch",
    "worker": "runner plugins protocol cell",
    "source": "cell protocol",
    "isolate": "runner source protocol cell clock",
    "options": "cell dig_models",
    "only": "cell dig_models",
    "axes": "cell dig_models",
    "presets": "axes options dig_models",
    "sweep": "presets axes only protocol cell environment",
    "display": "cell",
    "estimate": "sweep obstacle protocol cell display dig_models",
    "listing": "dig_models torch",
    "doctor": "listing devices environment measure torch",
    "reproduce": "claims presets protocol sweep dig_models",
    "revisions": "compare sweep estimate isolate source display environment store protocol cell device_lock",
    "orchestrate": "sweep estimate isolate store report display environment cell device_lock",
    "calibrate": "compare cell",
    "roofs": "measure environment disk from_json",
    "flops_audit": "paper profile dig_models torch",
    "profile": "roofs execution gate measure environment protocol cell sweep plugins devices device_lock disk "
    "from_json report dig_models torch",
    "cli": "train sample fid parity only claims history reproduce output_file compare revisions sweep options "
    "estimate environment gate orchestrate calibrate plugins devices listing doctor report cell profile roofs "
    "flops_audit axes device_lock lock measure",
}
"""Module or subpackage of dig_bench -> the others it imports, and whether it may import torch and dig_models."""

MODELS_KNOW = {"kernels": "kernels", "layers": "layers kernels"}
"""Subpackage of dig_models -> those it imports. The architectures beside them may import both."""


def modules(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def part(package: Path, file: Path) -> str:
    """`report` for dig_bench/report/figures.py, `cell` for dig_bench/cell.py."""
    return file.relative_to(package).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all imports, within functions too; `from a import b` yields a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parts_known(file: Path) -> set[str]:
    """What a file imports, in the terms of KNOWS."""
    known = set()
    for name in imported(ast.parse(file.read_text(encoding="utf-8"))):
        top, _, rest = name.partition(".")
        if top == "dig_bench":
            inside = rest.partition(".")[0]
            known.add(inside if (SUITE / f"{inside}.py").exists() or (SUITE / inside).is_dir() else "__init__")
        elif top in ("dig_models", "torch"):
            known.add(top)
    return known


@pytest.mark.parametrize("file", modules(SUITE), ids=lambda file: str(file.relative_to(SUITE)))
def test_each_part_of_the_suite_knows_only_its_own(file: Path) -> None:
    name = part(SUITE, file)
    assert name in KNOWS, "a new part: say here what it may import"
    assert parts_known(file) - {name} <= set(KNOWS[name].split()) | {"__init__"}


def test_the_arrows_form_no_circle() -> None:
    known = {name: set(parts.split()) & set(KNOWS) for name, parts in KNOWS.items()}
    while known:
        leaves = {name for name, parts in known.items() if not parts & set(known)}
        assert leaves, f"a circle among {sorted(known)}"
        known = {name: parts for name, parts in known.items() if name not in leaves}


@pytest.mark.parametrize("file", modules(MODELS), ids=lambda file: str(file.relative_to(MODELS)))
def test_the_models_know_nothing_of_the_suite(file: Path) -> None:
    names = list(imported(ast.parse(file.read_text(encoding="utf-8"))))
    assert not [name for name in names if name.partition(".")[0] == "dig_bench"]
    name = part(MODELS, file)
    if name in MODELS_KNOW:
        ours = {name.split(".")[1] for name in names if name.startswith("dig_models.")}
        assert ours <= set(MODELS_KNOW[name].split())


def test_only_the_command_line_is_imported_by_nothing() -> None:
    importers = [file for file in modules(SUITE) if "cli" in parts_known(file) and part(SUITE, file) != "cli"]
    assert importers == []
