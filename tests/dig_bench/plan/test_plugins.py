"""Plugins: files and entry points add to the catalogue, or are refused in one line."""

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from dig_bench.plan import plugins
from dig_models import CATALOG

EXAMPLE = Path(__file__).parents[3] / "examples" / "my_backbone.py"

IMPORTS = """
from dataclasses import dataclass
from typing import ClassVar
from dig_models import Backbone, BackboneConfig, FlopCount, Model
CONFIG = BackboneConfig(latent_size=32, patch_size=2, width=8, depth=1)
class Mine(Backbone):
    backends: ClassVar = {"reference": {}}
    default_backends: ClassVar = {"cpu": "reference"}
    def forward(self, latent_BCHW, timestep_B, label_B):
        return latent_BCHW
    def flops(self, batch_size):
        return FlopCount({})
"""


@pytest.fixture(autouse=True)
def _catalogue_as_before() -> Iterator[None]:
    before = dict(CATALOG)
    yield
    CATALOG.clear()
    CATALOG.update(before)


def written(folder: Path, text: str, name: str = "plugin.py") -> Path:
    (folder / name).write_text(IMPORTS + text, encoding="utf-8")
    return folder / name


def test_a_file_adds_its_backbones() -> None:
    plugins.load([EXAMPLE])
    assert {"MyNet-XS/2", "MyNet-S/2"} <= set(CATALOG)


def test_loading_twice_changes_nothing() -> None:
    plugins.load([EXAMPLE])
    once = dict(CATALOG)
    plugins.load([EXAMPLE, str(EXAMPLE)])
    assert once == CATALOG


def test_dataclasses_of_a_plugin_find_their_module(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "@dataclass(frozen=True, kw_only=True)\nclass C(BackboneConfig):\n    extra: 'int' = 0\nBACKBONES = {}\n",
    )
    plugins.load([file])


def test_an_installed_package_adds_its_backbones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "ALL = {'Mine/2': Model(Mine, CONFIG)}", "brought_backbones.py")
    info = tmp_path / "brought-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{plugins.GROUP}]\nbrought = brought_backbones:ALL\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert [entry.name for entry in metadata.entry_points(group=plugins.GROUP)] == ["brought"]
    plugins.load()
    assert "Mine/2" in CATALOG


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no mapping BACKBONES"),
        ("BACKBONES = [1]", "has no mapping BACKBONES"),
        ("1 / 0", "cannot be loaded: ZeroDivisionError"),
        ("def", "cannot be loaded: SyntaxError"),
        ("import no_such_package", "No module named 'no_such_package'"),
        ("BACKBONES = {'DiG-S/2': Model(Mine, CONFIG)}", "DiG-S/2 is taken"),
        ("BACKBONES = {'a@b': Model(Mine, CONFIG)}", "'a@b' is not a valid model name"),
        ("BACKBONES = {'a,b': Model(Mine, CONFIG)}", "'a,b' is not a valid model name"),
        ("BACKBONES = {1: Model(Mine, CONFIG)}", "1 is not a valid model name"),
        ("BACKBONES = {'Mine/2': (Mine, CONFIG)}", "is not a Model"),
        ("BACKBONES = {'Mine/2': Model(dict, CONFIG)}", "not a subclass of dig_models.Backbone"),
        ("BACKBONES = {'Mine/2': Model(Mine, {})}", "is not a dig_models.BackboneConfig"),
        ("Mine.default_backends = {'cpu': 'fast'}\nBACKBONES = {'M': Model(Mine, CONFIG)}", "has no backend 'fast'"),
        ("Mine.reference_backend = 'naive'\nBACKBONES = {'M': Model(Mine, CONFIG)}", "has no backend 'naive'"),
        ("del Mine.backends\nBACKBONES = {'M': Model(Mine, CONFIG)}", "does not define backends"),
        (
            "class B(Backbone):\n    backends = default_backends = {}\nBACKBONES = {'M': Model(B, CONFIG)}",
            "does not implement flops",
        ),
    ],
)
def test_a_faulty_plugin_is_refused_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    before = dict(CATALOG)
    with pytest.raises(ValueError, match=complaint) as refused:
        plugins.load([written(tmp_path, text)])
    assert "\n" not in str(refused.value)
    assert before == CATALOG


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a file"):
        plugins.load([tmp_path / "no.py"])


def test_a_file_that_is_not_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.py"):
        plugins.load([written(tmp_path, "", "plugin.txt")])
