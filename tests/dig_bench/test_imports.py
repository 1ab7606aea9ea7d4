"""Imports run one way, by layer; torch and rendering stay out of the parts that must not pay for them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import dig_bench
import dig_models

SUITE, MODELS = (Path(str(package.__file__)).parent for package in (dig_bench, dig_models))

LAYERS = (
    "cli",
    "report compare claims history profile train sample fid parity",
    "run",
    "render",
    "plan",
    "results",
    "machine",
    "measure",
    "files paper",
    "cell protocol",
)
"""From top to bottom. A folder imports itself, its own layer without a cycle, and the layers below."""

WITHOUT_TORCH = ("render", "report", "compare", "claims", "history")
JUDGES = ("compare", "claims", "history", "profile", "parity")
"""Folders that judge. Only their `output/` imports rendering."""

MODEL_LAYERS = {"kernels": {"kernels"}, "layers": {"layers", "kernels"}}
"""Folder of dig_models -> the folders it may import. The architectures beside them import both."""


def imports(file: Path) -> Iterator[str]:
    """Dotted names of all imports of a file, within functions too; `from a import b` yields a.b."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def folder(dotted: str) -> str:
    """`report` for dig_bench.report.figures; empty for the package itself."""
    part = dotted.split(".")[1]
    return part if (SUITE / part).is_dir() or (SUITE / f"{part}.py").exists() else ""


def arrows() -> Iterator[tuple[Path, str, str]]:
    """Each import: the file, its folder, the dotted name that it imports."""
    for file in SUITE.rglob("*.py"):
        own = file.relative_to(SUITE).parts[0].removesuffix(".py")
        for name in imports(file):
            yield file.relative_to(SUITE), own, name


LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names.split()}
SUITE_ARROWS = [arrow for arrow in arrows() if not arrow[1].startswith("__")]


def test_imports_never_climb() -> None:
    own = [(file, a, folder(name)) for file, a, name in SUITE_ARROWS if name.startswith("dig_bench.") and folder(name)]
    assert [f"{file}: {b}" for file, a, b in own if LEVEL[a] > LEVEL[b]] == []


def test_folders_of_one_layer_form_no_cycle() -> None:
    known = {name: set[str]() for name in LEVEL}
    for _, own, name in SUITE_ARROWS:
        if name.startswith("dig_bench.") and folder(name) not in ("", own):
            known[own].add(folder(name))
    while known:
        leaves = {name for name, others in known.items() if not others & set(known)}
        assert leaves, f"a cycle among {sorted(known)}"
        known = {name: others for name, others in known.items() if name not in leaves}


def test_every_folder_has_a_layer() -> None:
    found = {path.stem for path in SUITE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert found - {"__init__", "__main__"} == set(LEVEL)


def test_pages_and_verdicts_need_no_torch() -> None:
    assert [
        str(file) for file, own, name in SUITE_ARROWS if own in WITHOUT_TORCH and name.split(".")[0] == "torch"
    ] == []


def test_a_judgement_imports_no_rendering() -> None:
    judging = [arrow for arrow in SUITE_ARROWS if arrow[1] in JUDGES and "output" not in arrow[0].parts]
    assert [f"{file}: {name}" for file, _, name in judging if ".render." in name or ".output" in name] == []


def test_measure_knows_no_models() -> None:
    assert [str(file) for file, own, name in SUITE_ARROWS if own == "measure" and name.startswith("dig_models")] == []


def test_the_models_know_nothing_of_the_suite() -> None:
    assert [
        str(file) for file in MODELS.rglob("*.py") if any(name.startswith("dig_bench") for name in imports(file))
    ] == []


def test_kernels_and_layers_know_no_architecture() -> None:
    for part, allowed in MODEL_LAYERS.items():
        for file in (MODELS / part).rglob("*.py"):
            ours = {name.split(".")[1] for name in imports(file) if name.startswith("dig_models.")}
            assert ours <= allowed, file
