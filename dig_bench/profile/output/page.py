"""One self-contained HTML page of profiles, in the looks of the report, and its figures beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from markupsafe import Markup

from dig_bench.files.atomic import write_whole
from dig_bench.profile import folder as folders
from dig_bench.profile.folder import Contents
from dig_bench.profile.output import figures, figures_growth, figures_memory, figures_roofs, overview, words
from dig_bench.profile.output.groups import shared
from dig_bench.render.page import check_name, fill
from dig_bench.render.plot import Plot
from dig_models import suggest

SECTIONS = (
    ("why", "What makes the difference", overview.answers),
    ("side-by-side", "Time by component", figures.side_by_side),
    ("over-resolution", "Over resolution", figures.over_resolution),
    ("growth", "Growth", figures_growth.growth),
    ("others", "Beside the others", overview.beside_others),
    ("rooflines", "Against the roofs", figures_roofs.rooflines),
    ("memory", "Memory", figures_memory.memory),
)


def of_folder(
    profiles: Path, *, out: Path, base: str | None, name: str | None, say: Callable[[str], None]
) -> list[Path]:
    """The page of all that a folder of profiles holds; `base`, a model@backend, stands first, and the others beside it.

    Says which files are broken. ValueError when nothing is left, for a base that is not there, and for a name that is
    no file name.
    """
    found = folders.read_all(profiles, say=say)
    if not found.profiles and not found.failures:
        raise ValueError(f"{profiles} has no profile that can be read")
    if base is not None:
        names = dict.fromkeys(profile.name for profile in found.profiles)
        if base not in names:
            raise ValueError(f"no profile of {suggest(base, names)}")
        in_order = sorted(found.profiles, key=lambda profile: profile.name != base)
        found = Contents(profiles=in_order, failures=found.failures)
    return write(out, name or profiles.resolve().name, found)


def write(folder: Path, name: str, found: Contents) -> list[Path]:
    """NAME.html in the folder, figures in NAME/. ValueError for a name that is no file name, OSError where
    nothing can be written."""
    check_name(name)
    drawn = [(id, title, list(draw(found.profiles))) for id, title, draw in SECTIONS]
    page, pictures = folder / f"{name}.html", folder / name
    pictures.mkdir(parents=True, exist_ok=True)
    write_whole(page, _render(name, found, drawn).encode())
    return [page, *(path for _, _, plots in drawn for plot in plots for path in plot.save(pictures))]


def _render(name: str, found: Contents, drawn: Sequence[tuple[str, str, list[Plot]]]) -> str:
    profiles = found.profiles
    environment = profiles[0].environment if profiles else {}
    return fill(
        "profile.html.j2",
        package="dig_bench.profile.output",
        name=name,
        shared=shared(profiles),
        # Those of the other conditions stand with the figures.
        findings=next(iter(words.findings(profiles)), []),
        every_model=words.every_model(profiles),
        failures=[(str(cell), status, detail) for cell, status, detail in found.failures],
        differing=words.differing(profiles),
        sections=[
            (id, title, [(plot, Markup(plot.markup())) for plot in plots]) for id, title, plots in drawn if plots
        ],
        profiles=[
            (each, words.label(each), words.conditions(each), words.losses(each), words.tables(each))
            for each in profiles
        ],
        environment={key: str(value) for key, value in environment.items() if value not in (None, "")},
    )
