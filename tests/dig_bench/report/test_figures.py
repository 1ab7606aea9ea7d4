"""Figures: the points they draw, their legends and tables, and texts that stay texts."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from dig_bench import report
from dig_bench.render.plot import Plot
from dig_bench.render.style import COLORS, Look
from dig_bench.report.prepare import prepare
from dig_bench.report.sections import sections
from report_rows import frame, row, sweep


@pytest.fixture(scope="module")
def speed_memory() -> list[Plot]:
    return report.speed_memory(frame(sweep(models=("DiG-S/2@fla", "DiT-S/2@math", "DiT-S/2@flash2"))))


def main_axes(plot: Plot) -> Axes:
    return plot.figure.axes[0]


def lines(plot: Plot, *, color: str, dashed: bool) -> list[Line2D]:
    """Curves of a colour: those measured, or the paper's, which are the dashed ones."""
    found = [
        line for line in main_axes(plot).get_lines() if to_hex(line.get_color()) == color and len(line.get_xdata()) > 1
    ]
    curves = [line for line in found if line.get_linestyle() != "None"]
    return [line for line in curves if (line.get_linestyle() == "--" and line.get_alpha() is not None) == dashed]


def crosses(plot: Plot) -> list[Line2D]:
    return [line for line in main_axes(plot).get_lines() if line.get_marker() == "x"]


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")]


def test_the_speed_curve_is_the_natural_logarithm_and_the_memory_curve_linear(speed_memory: list[Plot]) -> None:
    rows = prepare(frame(sweep(models=("DiG-S/2@fla",))))
    speed, memory = speed_memory
    assert (speed.topic, memory.topic) == ("speed", "memory")
    color = Look(rows).color("DiG")
    (curve,) = lines(speed, color=color, dashed=False)
    np.testing.assert_allclose(curve.get_ydata(), np.log(rows["images_per_s"]))
    (curve,) = lines(memory, color=color, dashed=False)
    np.testing.assert_allclose(curve.get_ydata(), rows["peak_allocated_mib"] * 2**20 / 1e9)
    assert memory.figure.axes[0].get_ylim()[0] == 0


def test_a_legend_names_what_has_a_mark_and_the_table_all_that_was_asked_for() -> None:
    rows = sweep(models=("DiG-S/2@fla", "DiT-S/2@math"))
    rows += [row("DiT-S/2@cudnn", px, status="unsupported", mode="train") for px in (256, 512)]
    rows += [row("DiS-S/2@mamba-ssm", px, status="oom", mode="train") for px in (256, 512)]
    for plot in report.speed_memory(frame(rows)):
        entries = [text.get_text() for text in plot.figure.legends[0].get_texts()]
        assert "DiT-S/2@cudnn" not in entries
        # A cross is a mark.
        assert "DiS-S/2@mamba-ssm" in entries
        assert plot.table["DiT-S/2@cudnn"].iloc[0] == "unsupported"


def test_the_paper_s_points_are_dashed_in_the_family_s_color(speed_memory: list[Plot]) -> None:
    speed, memory = speed_memory
    color = Look(prepare(frame(sweep()))).color("DiG")
    (curve,) = lines(speed, color=color, dashed=True)
    assert curve.get_ydata()[-1] == pytest.approx(1.21)
    (curve,) = lines(memory, color=color, dashed=True)
    assert curve.get_ydata()[-1] == pytest.approx(19.64)
    assert "paper: DiG-S/2" in texts(speed.svg)
    assert not [text for text in texts(speed.svg) if "DiS" in text]


def test_out_of_memory_is_a_cross_where_it_began_inside_the_axes(speed_memory: list[Plot]) -> None:
    rows = sweep(models=("DiT-S/2@math",))
    first = min(row.resolution_px for row in rows if row.status == "oom")
    for plot in speed_memory:
        places = {float(line.get_xdata()[0]): float(line.get_ydata()[0]) for line in crosses(plot)}
        # The paper's own cross is at 2048 px.
        assert set(places) == {float(first), 2048.0}
        assert all(0 < place < 1 for place in places.values())
        assert "out of memory" in texts(plot.svg)


def test_noisy_rows_have_hollow_markers() -> None:
    (speed, _) = report.speed_memory(frame([row("DiG-S/2@fla", 256), row("DiG-S/2@fla", 512, status="noisy")]))
    hollow = [line for line in main_axes(speed).get_lines() if line.get_markerfacecolor() == COLORS["surface"][0]]
    assert [list(line.get_xdata()) for line in hollow if line.get_alpha() is None] == [[512.0]]
    assert "noisy or throttled" in texts(speed.svg)


def test_the_markup_is_drawn_in_the_page_s_colors_with_ids_of_its_own(speed_memory: list[Plot]) -> None:
    speed, memory = (plot.markup() for plot in speed_memory)
    assert "var(--ink)" in speed
    assert "var(--family-0)" in speed
    assert not re.search(r"#[0-9a-f]{6}\b", speed)
    ids = [set(re.findall(r'\bid="([^"]+)"', markup)) for markup in (speed, memory)]
    assert ids[0]
    assert not ids[0] & ids[1]
    referred = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', speed))
    assert {a or b for a, b in referred} <= ids[0]
    root = ElementTree.fromstring(speed)
    assert root.get("role") == "img"
    assert "DiG-S/2@fla" in (root.get("aria-label") or "")


def test_the_table_of_a_drawing_has_every_point_and_a_word_for_what_is_missing(speed_memory: list[Plot]) -> None:
    table = speed_memory[0].table
    assert list(table.columns) == ["DiG-S/2@fla", "DiT-S/2@math", "DiT-S/2@flash2"]
    assert list(table.index) == [f"{px} px" for px in range(256, 2049, 256)]
    assert table.loc["2048 px", "DiT-S/2@math"] == "out of memory"
    assert re.fullmatch(r"[\d.]+ \([\d.]+ to [\d.]+\)", table.loc["2048 px", "DiG-S/2@fla"])


@pytest.mark.parametrize("name", [r"$\frac{1}{", "$x$", "<script>x</script>", "_hidden", "=cmd()", "a\x01b&\"'"])
def test_a_hostile_name_is_drawn_as_it_stands(name: str, tmp_path: Path) -> None:
    plots = report.speed_memory(frame([row(f"{name}@fla", px) for px in (256, 512)]))
    assert len(plots) == 2
    label = name.replace("\x01", " ") + "@fla"
    for plot in plots:
        assert label in [text.strip() for text in texts(plot.svg)]
        assert label in [text.strip() for text in texts(plot.markup())]
        plot.save(tmp_path)


def test_the_same_rows_give_the_same_files(tmp_path: Path) -> None:
    written = []
    for attempt in ("one", "two"):
        (tmp_path / attempt).mkdir()
        plots = report.speed_memory(frame(sweep(models=("DiG-S/2@fla",), resolutions_px=(256, 512))))
        written.append([path.read_bytes() for plot in plots for path in plot.save(tmp_path / attempt)])
    assert written[0] == written[1]


def test_every_topic_has_its_figure_when_the_rows_hold_it() -> None:
    models = ("DiG-S/2@fla", "DiT-S/2@math", "DiG-B/2@fla", "DiT-B/2@math")
    rows = sweep(models=models, resolutions_px=(1024, 2048), executions=("eager", "graph"))
    found = {section.id: section for section in sections(prepare(frame(rows)))}
    assert list(found) == ["speed-memory", "sizes", "speedup", "launch-bound", "training", "energy"]
    assert [plot.title for plot in found["sizes"].groups[0]] == [
        "Speed over model size at 1024 px",
        "Speed over model size at 2048 px",
    ]
    sizes = found["sizes"].groups[0][0]
    assert list(sizes.table.columns) == ["DiG@fla", "DiT@math"]
    assert list(sizes.table.index) == ["S/2", "B/2"]
    assert [plots[0].conditions for plots in found["launch-bound"].groups] == [
        "S/2 · train · bf16 · eager and graph · batch 1 · test data, no device · one process",
        "B/2 · train · bf16 · eager and graph · batch 1 · test data, no device · one process",
    ]
    names = [plot.name for section in found.values() for plots in section.groups for plot in plots]
    assert len(set(names)) == len(names)


def test_without_a_measured_row_there_is_nothing_to_draw() -> None:
    assert report.speed_memory(frame([])) == []
    assert report.speed_memory(frame([row("DiG-S/2@fla", 256, status="crashed")])) == []
