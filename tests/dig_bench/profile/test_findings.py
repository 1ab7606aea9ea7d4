"""Conclusions from profiles: roofline, differences, sentences, files and tables."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dig_bench.cell import Cell
from dig_bench.profile import folder
from dig_bench.profile.components import CORE, MLP, PROJECTIONS, SREM
from dig_bench.profile.differences import differences
from dig_bench.profile.folder import Contents, Failure
from dig_bench.profile.output import sentences, tables
from dig_bench.profile.output.figures_growth import WHOLE, exponents, growth
from dig_bench.profile.output.groups import groups, pairs, rivals
from dig_bench.profile.record import Gaps, Profile, read
from profiles import ENVIRONMENT, component, pair_of, profile

CELL = Cell(model="DiG-S/2", backend="chunked", resolution_px=256)


def test_differences_are_those_of_all_components_of_either_and_add_up() -> None:
    base = profile()
    other = profile("DiT-S/2@math", components=(component(CORE, 40.0), component(MLP, 3.0), component("steps", 2.0)))
    found = differences(base, other)
    assert [each.component for each in found] == [CORE, PROJECTIONS, "steps", SREM, MLP]
    assert sum(each.ms for each in found) == pytest.approx(other.device_ms - base.device_ms)
    said = sentences.compared(pair_of(base, other))
    assert "DiG-S/2@chunked takes 10.0 ms and DiT-S/2@math 45.0 ms, 4.500 times as long, in one process each." in said
    assert "needs 35.0 ms more, of which mixer_core takes 36.0 ms (4.00 against 40.0 ms)" in said
    assert sentences.compared(pair_of(other, base)) == said


def test_findings_are_of_the_largest_resolution_that_there_is_for_either() -> None:
    small, large = profile(), profile(resolution_px=512)
    found = sentences.findings([large, small, profile("DiT-S/2@math")])
    assert [[line.split(":")[0] for line in lines] for lines in found] == [
        ["256 px · forward", "DiG-S/2@chunked at 512 px · forward"]
    ]
    assert sentences.findings([]) == []


def test_components_grow_with_the_tokens_as_they_were_made_to() -> None:
    def of(px: int) -> Profile:
        tokens = (px // 16) ** 2
        return profile(
            "DiT-S/2@math", resolution_px=px, components=(component(CORE, tokens**2), component(MLP, tokens))
        )

    fits = exponents([of(px) for px in (256, 512, 1024)])
    assert list(fits) == [WHOLE, CORE]
    assert fits[CORE].value == pytest.approx(2.0)
    assert exponents([of(px) for px in (256, 512)]) == {}
    (plot,) = growth([of(px) for px in (256, 512, 1024)])
    assert plot.table.loc[CORE, "DiT-S/2@math"].startswith("2.00")
    assert list(growth([of(256), of(512)])) == []


def test_only_cells_under_equal_conditions_are_put_beside_each_other() -> None:
    first, large = profile(), profile(resolution_px=512)
    other = profile("DiT-S/2@math", resolution_px=512)
    training = profile("DiT-S/2@math", mode="train")
    slow = profile("DiT-S/2@math", resolution_px=512, cell=replace(other.cell, precision="tf32"))
    (pair,) = pairs([first, large, other, training, slow])
    assert (pair.base, pair.other, pair.group.conditions) == (large, other, "512 px · forward · fp32")


def test_conditions_are_named_by_what_differs_and_by_no_more() -> None:
    def under(**cell: Any) -> Profile:
        return profile(cell=replace(profile().cell, **cell))

    assert [each.conditions for each in groups([profile()])] == ["256 px · forward"]
    several = groups([profile(), under(batch_size=8), under(device="cuda"), under(resolution_px=512)])
    assert {each.slug for each in several} == {
        "forward-256px-batch-1-cpu",
        "forward-256px-batch-8-cpu",
        "forward-256px-batch-1-cuda",
        "forward-512px-batch-1-cpu",
    }
    (over,) = groups([profile(), under(resolution_px=512)], over_resolutions=True)
    assert (over.conditions, len(over.profiles)) == ("forward", 2)


def test_the_rival_is_the_fastest_other_model_else_the_fastest_other_backend() -> None:
    own, backend = profile(), profile("DiG-S/2@fla", unprofiled_ms=1.0)
    slow, fast = profile("DiT-S/2@math", unprofiled_ms=30.0), profile("DiT-S/2@sdpa", unprofiled_ms=20.0)
    assert [each.other for each in rivals([own, backend, slow, fast]).values()] == [fast]
    assert [each.other for each in rivals([own, backend]).values()] == [backend]
    assert rivals([own]) == {}


def test_every_model_is_told_beside_the_first() -> None:
    text = tables.every_model([profile(), profile("DiT-S/2@math", unprofiled_ms=25.0), profile(resolution_px=512)])
    assert text.columns == ["model", "256 px · forward", "512 px · forward"]
    assert text.rows == [["DiG-S/2@chunked", "10.0", "10.0"], ["DiT-S/2@math", "25.0 (2.50)", "\N{EN DASH}"]]


def test_the_table_of_components_ends_in_a_sum_that_is_the_whole() -> None:
    text = tables.components(profile())
    assert {len(row) for row in text.rows} == {len(text.columns)}
    assert text.rows[-1][:3] == ["sum", "10.0", "100\N{NO-BREAK SPACE}%"]


def test_energy_is_of_the_execution_with_the_least_gaps_and_shared_out_by_time(tmp_path: Path) -> None:
    eager = Gaps(
        execution="eager", latency_ms=20.0, host_ms=9.0, busy_ms=10.0, kernel_launches=8.0, joules=4.0, power_w=200.0
    )
    graph = replace(eager, execution="graph", latency_ms=10.0, host_ms=0.1, joules=3.0, power_w=300.0)
    found = profile(gaps=[eager, graph])
    assert found.joules_per_image == 3.0
    column = tables.components(found).columns.index("J per image")
    assert [row[column] for row in tables.components(found).rows] == ["1.20", "0.900", "0.600", "0.300", "3.00"]
    assert tables.gaps(found).rows[1][-3:-1] == ["3.00", "300"]
    assert "J per image" not in tables.components(profile()).columns
    folder.write_tables(tmp_path, Contents(profiles=[found], failures=[]))
    assert pd.read_csv(tmp_path / "components.csv")["joules_per_image"].sum() == pytest.approx(3.0)
    assert pd.read_csv(tmp_path / "cells.csv")["graph_joules_per_step"][0] == 3.0


def test_a_profile_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = folder.write(tmp_path, profile())
    assert path.name == "DiG-S-2_chunked_256px_b1_forward_fp32_cpu.json"
    found = folder.find(tmp_path, CELL)
    assert found is not None
    assert asdict(found) == json.loads(path.read_text())
    assert folder.is_of(found, ENVIRONMENT)
    assert not folder.is_of(found, ENVIRONMENT | {"git_revision": "def"})
    assert not folder.is_of(found, ENVIRONMENT | {"git_dirty": True})


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"cell": {}}', "null", '"text"', pytest.param("[" * 100_000, id="nested")]
)
def test_a_broken_profile_is_none(tmp_path: Path, content: str) -> None:
    folder.path_of(tmp_path, CELL).write_text(content)
    assert folder.find(tmp_path, CELL) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"device_ms": "ten"}, "device_ms is 'ten', not of type float"),
        ({"unprofiled_ms": 0.0}, "this is no profile: unprofiled_ms is 0.0"),
        ({"cell": {"model": 3}}, "this is no profile: cell.backend is missing"),
        ({"components": [{"component": []}]}, r"components[0].component is [], not of type str"),
        ({"roofline": {}}, "this is no profile: roofline.copy is missing"),
        ({"memory": {"timeline": 3}}, "this is no profile: memory.before_bytes is missing"),
        ({"detail": "out of memory", "status": "broken"}, "is unknown"),
    ],
)
def test_a_profile_of_other_types_or_of_no_time_is_left_out_and_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = folder.write(tmp_path, profile())
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    said: list[str] = []
    assert folder.read_all(tmp_path, say=said.append).profiles == []
    assert [message in line and str(path) in line for line in said] == [True], said
    assert folder.find(tmp_path, CELL) is None


def test_a_failure_is_no_profile_but_a_row(tmp_path: Path) -> None:
    folder.write(tmp_path, Failure(cell=CELL, status="oom", detail="out of memory"))
    assert folder.find(tmp_path, CELL) is None
    other = Cell(model="DiT-S/2", backend="math", resolution_px=2048)
    failure = Failure(cell=other, status="oom", detail="out of memory")
    folder.write_tables(tmp_path, Contents(profiles=[profile()], failures=[failure]))
    cells = pd.read_csv(tmp_path / "cells.csv")
    assert list(cells["status"]) == ["ok", "oom"]
    components = pd.read_csv(tmp_path / "components.csv")
    assert components["total_ms"].sum() == pytest.approx(cells["device_ms"][0])
    assert components["share"].sum() == pytest.approx(1.0)
    assert pd.read_csv(tmp_path / "kernels.csv")["total_ms"].sum() == pytest.approx(cells["device_ms"][0])


def test_a_folder_is_read_whole_and_what_is_broken_is_said(tmp_path: Path) -> None:
    assert not folder.is_one(tmp_path)
    large = profile(resolution_px=512)
    for each in (large, profile("DiT-S/2@math"), profile()):
        folder.write(tmp_path, each)
    failed = Cell(model="DiT-S/2", backend="math", resolution_px=2048)
    failure = Failure(cell=failed, status="oom", detail="out of memory")
    folder.write(tmp_path, failure)
    broken = folder.path_of(tmp_path, Cell(model="DiS-S/2", backend="chunked", resolution_px=256))
    broken.write_text('{"cell": {"model": "x"}}')
    (tmp_path / "snapshot.json").write_text("{}")
    said: list[str] = []
    found = folder.read_all(tmp_path, say=said.append)
    assert folder.is_one(tmp_path)
    assert [(each.name, each.cell.resolution_px) for each in found.profiles] == [
        ("DiG-S/2@chunked", 256),
        ("DiG-S/2@chunked", 512),
        ("DiT-S/2@math", 256),
    ]
    assert found.failures == [failure]
    assert [str(broken) in line for line in said] == [True]


def test_profiles_of_several_revisions_are_told_apart() -> None:
    assert sentences.differing([profile(), profile(resolution_px=512)]) == []
    later = profile(environment=ENVIRONMENT | {"git_revision": "def"})
    assert sentences.differing([profile(), later]) == ["git_revision abc, def"]


def test_a_name_from_a_plugin_stays_within_the_folder(tmp_path: Path) -> None:
    hostile = Cell(model="../../etc/passwd", backend="a b\n", resolution_px=256)
    assert folder.path_of(tmp_path, hostile).parent == tmp_path


def test_what_is_no_profile_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="no profile"):
        read({"components": [], "kernels": []})
