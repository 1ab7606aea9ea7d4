"""One self-contained HTML page of profiles, in the looks of the report, and its figures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from markupsafe import Markup

from dig_bench.cell import Cell, Status
from dig_bench.disk import write_whole
from dig_bench.profile.output import figures, figures_memory, words
from dig_bench.profile.record import Profile
from dig_bench.report.page import fill
from dig_bench.report.plot import Plot

SECTIONS = (
    ("side-by-side", "Time by component", figures.side_by_side),
    ("over-resolution", "Time per token over resolution", figures.over_resolution),
    ("why", "What makes the difference", figures.differences),
    ("rooflines", "Against the roofs of this machine", figures.rooflines),
    ("memory", "Memory over a step", figures_memory.memory),
)


def write(
    folder: Path, name: str, profiles: Sequence[Profile], failures: Iterable[tuple[Cell, Status, str]]
) -> list[Path]:
    """NAME.html in the folder, figures in NAME/."""
    drawn = [(id, title, list(draw(profiles))) for id, title, draw in SECTIONS]
    page = folder / f"{name}.html"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(page, _render(name, profiles, failures, drawn).encode())
    pictures = folder / name
    pictures.mkdir(exist_ok=True)
    return [page, *(path for _, _, plots in drawn for plot in plots for path in plot.save(pictures))]


def _render(
    name: str,
    profiles: Sequence[Profile],
    failures: Iterable[tuple[Cell, Status, str]],
    drawn: Sequence[tuple[str, str, list[Plot]]],
) -> str:
    environment = profiles[0].environment if profiles else {}
    return fill(
        "profile.html.j2",
        package="dig_bench.profile.output",
        name=name,
        findings=words.findings(profiles),
        failures=[(str(cell), status, detail) for cell, status, detail in failures],
        sections=[
            (id, title, [(plot, Markup(plot.markup())) for plot in plots]) for id, title, plots in drawn if plots
        ],
        profiles=[
            (each, words.label(each), words.conditions(each), words.against_the_roof(each), words.tables(each))
            for each in profiles
        ],
        environment={key: str(value) for key, value in environment.items() if value not in (None, "")},
    )
