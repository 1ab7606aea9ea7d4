"""Self-contained HTML page of profiles, and its figures beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dig_bench.files.atomic import write_whole
from dig_bench.profile import folder as folders
from dig_bench.profile.folder import Contents
from dig_bench.profile.output import (
    figures,
    figures_growth,
    figures_memory,
    figures_roofline,
    overview,
    sentences,
    tables,
)
from dig_bench.profile.output.groups import shared
from dig_bench.profile.record import Profile
from dig_bench.render.page import check_name, fill
from dig_bench.render.plot import Plot
from dig_models import suggest

SECTIONS = (
    ("why", "What makes the difference", overview.answers),
    ("side-by-side", "Time by component", figures.side_by_side),
    ("over-resolution", "Over resolution", figures.over_resolution),
    ("growth", "Growth", figures_growth.growth),
    ("others", "Differences to other models", overview.beside_others),
    ("rooflines", "Roofline", figures_roofline.rooflines),
    ("memory", "Memory", figures_memory.memory),
)


def of_folder(
    profiles: Path, *, out: Path, base: str | None, name: str | None, say: Callable[[str], None]
) -> list[Path]:
    """Writes the page of all profiles in a folder, which compares the model@backend `base` with the others.

    Reports broken files through `say`. Raises ValueError when no file can be read, when `base` has no profile, and for
    an invalid name.
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
    """Writes NAME.html to the folder and its figures to NAME/; returns the paths.

    Raises ValueError for an invalid name.
    """
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
        # Findings under other conditions are in the captions of the figures.
        findings=next(iter(sentences.findings(profiles)), []),
        not_representative=sentences.not_representative(profiles),
        every_model=tables.every_model(profiles),
        failures=found.failures,
        differing=sentences.differing(profiles),
        sections=[(id, title, plots) for id, title, plots in drawn if plots],
        profiles=[(each, tables.label(each), _bound(each), tables.tables(each)) for each in profiles],
        environment={key: str(value) for key, value in environment.items() if value not in (None, "")},
    )


def _bound(profile: Profile) -> str:
    """Returns the sentence on the cell's bound; the one that there is none for a profile that is not representative."""
    conditions = profile.cell.without("model", "backend", "execution").label()
    return next(iter(sentences.not_representative([profile])), sentences.against_the_roofline(profile, conditions))
