"""Components against the roofline: their bounds, and no share above one."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dig_bench.profile import folder, roofline
from dig_bench.profile.components import CORE, MLP, PROJECTIONS, SREM
from dig_bench.profile.folder import Contents
from dig_bench.profile.output import page, sentences, tables
from profiles import ROOFLINE, component, profile


def test_a_component_is_bound_by_the_longer_of_its_flops_and_its_bytes() -> None:
    core, mlp, projections, srem = roofline.points(profile())
    assert [each.floor_ms for each in (core, mlp, projections)] == pytest.approx([2.0, 2.0, 2.0])
    assert [each.bound for each in (core, mlp, projections)] == ["compute", "memory", "compute"]
    assert core.intensity == pytest.approx(40.0)
    assert core.tflops_per_s == pytest.approx(0.5)
    assert core.gb_per_s == pytest.approx(12.5)
    assert core.share_of_roofline == pytest.approx(0.5)
    assert (srem.floor_ms, srem.bound, srem.lost_ms) == (None, None, 1.0)


def test_a_steps_floor_and_its_utilisation() -> None:
    assert roofline.floor_ms(profile()) == pytest.approx(6.0)
    assert roofline.mfu(profile()) == pytest.approx(0.5)
    assert [each.component for each in roofline.losses(profile())] == [CORE, MLP, SREM, PROJECTIONS]


def test_no_share_of_the_roofline_is_above_one() -> None:
    fast = profile(components=(component(CORE, 1.0, gflops=2.0), component(MLP, 1.0, gflops=0.5), component(SREM, 2.0)))
    core, mlp, _ = roofline.points(fast)
    assert (core.share_of_roofline, core.lost_ms, core.is_capped) == (1.0, 0.0, True)
    assert (mlp.share_of_roofline, mlp.is_capped) == (0.5, False)
    assert roofline.floor_ms(fast) == pytest.approx(1.5)
    text = tables.components(fast)
    shown = [row[text.columns.index("of roofline")] for row in text.rows]
    assert shown == ["", "capped", "50\N{NO-BREAK SPACE}%", "38\N{NO-BREAK SPACE}%"]
    assert text.note == tables.CAPPED
    assert tables.components(profile()).note == ""
    assert "which count as reached: mixer_core. " in sentences.against_the_roofline(fast, "256 px")
    assert "count as reached" not in sentences.against_the_roofline(profile(), "256 px")


def test_there_is_no_mfu_above_one() -> None:
    """11 GFLOP in a ms, at a measured peak of one TFLOP/s."""
    fast = profile(components=(component(CORE, 1.0, gflops=11.0),))
    assert roofline.mfu(fast) is None
    said = sentences.against_the_roofline(fast, "256 px")
    assert said.endswith("No MFU: the step is faster than the measured GEMM peak allows.")
    assert "1100" not in said


def test_bytes_that_fit_in_the_cache_are_bound_by_it() -> None:
    """A hundred MB take a ms from memory, and a quarter of it from the cache."""
    cached = replace(ROOFLINE, cache=replace(ROOFLINE.copy, median=400.0), cache_bytes=50_000_000)
    parts = (component(SREM, 1.0, mb=200.0, cached_bytes=2e8), component(MLP, 4.0, mb=200.0, cached_bytes=1e8))
    cell = replace(profile().cell, device="cuda")
    found = profile(components=parts, roofline=cached, cell=cell)
    srem, mlp = roofline.points(found)
    assert (srem.bound, srem.share_of_roofline, srem.is_capped) == ("cache", 0.5, False)
    assert (mlp.bound, mlp.share_of_roofline) == ("memory", 0.25)
    text = tables.components(found)
    assert [row[-1] for row in text.rows] == ["memory", "fits in L2", ""]


def test_a_component_within_a_fused_kernel_of_another_one_is_not_faster_than_its_bound() -> None:
    _, inner = roofline.points(profile(components=(component(CORE, 4.0, gflops=2.0), component(MLP, 0.0, gflops=1.0))))
    assert (inner.floor_ms, inner.is_capped, inner.lost_ms, inner.share_of_roofline) == (1.0, False, 0.0, None)


def test_a_profile_of_a_busy_cpu_has_no_bounds(tmp_path: Path) -> None:
    found = profile(roofline=None, notes=["no bounds: the CPU is busy"])
    folder.write(tmp_path, found)
    written = folder.find(tmp_path, found.cell)
    assert written is not None
    assert (written.roofline, list(written.notes)) == (None, found.notes)
    assert all(point.floor_ms is None and point.bound is None for point in roofline.points(found))
    assert "without bounds: the roofline was not measured" in sentences.against_the_roofline(found, "256 px")
    folder.write_tables(tmp_path, Contents(profiles=[found], failures=[]))
    assert pd.read_csv(tmp_path / "cells.csv")["mfu"].isna().all()
    assert tables.components(found).rows
    drawn, *_ = page.write(tmp_path, "mine", Contents(profiles=[found], failures=[]))
    assert "without bounds" in drawn.read_text()
