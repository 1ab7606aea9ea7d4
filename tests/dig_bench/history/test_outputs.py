"""`dig-bench history`: exit codes, files, hostile and extreme entries."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dig_bench.cell import Row
from dig_bench.history.add import add
from dig_bench.history.entries import read
from dig_bench.history.output import figures, render, terminal, words
from dig_bench.history.trends import trends
from harness import HOSTILE, Elements, Run
from history_folders import commit, keep, results, revision, slower
from report_rows import row, write_results

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore:Glyph")]


def test_add_and_show(tmp_path: Path, dig_bench: Run) -> None:
    repository = tmp_path / "repository"
    folders = []
    for place in range(10):
        commit(repository, f"Before {place}")
        found = commit(repository, f"Change {place}")
        folders.append(f"results-{place}")
        results(tmp_path / folders[-1], place, git_revision=found, change=slower(6, 1.08), git_dirty=place == 5)
    ran = dig_bench("history", "add", *folders)
    assert (ran.code, ran.err) == (0, "")
    assert len(ran.out.splitlines()) == 10
    assert all(line.startswith("history/2026") for line in ran.out.splitlines())
    again = dig_bench("history", "add", "results-3")
    assert (again.code, again.out.endswith("is there already\n")) == (0, True)

    shown = dig_bench("history", "show", "--repository", "repository", "--output", "h.html", "--output", "h.json")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines()[-2:] == ["h.html", "h.json"]
    assert "10 entries of 10 revisions, 8 series: 2 changes for the worse." in shown.out
    assert "Ordered by commits." in shown.out
    page = (tmp_path / "h.html").read_text(encoding="utf-8")
    for text in (shown.out, page):
        assert "2 commits; measured with uncommitted changes" in " ".join(text.split())
    assert "Before 6" in page
    assert "Change 5" not in page
    content = json.loads((tmp_path / "h.json").read_text(encoding="utf-8"))
    assert len(content["entries"]) == 10
    assert [(each["at"], each["before"], each["after"], each["commits"]["count"]) for each in content["changes"]] == [
        (6, 5, 6, 2),
        (6, 5, 6, 2),
    ]
    assert content["changes"][0]["ratio_low"] < 1.08 < content["changes"][0]["ratio_high"]

    chosen = dig_bench("history", "show", "--only", "model=DiT-*", "--metrics", "latency", "--repository", "nowhere")
    assert "2 series: no change." in chosen.out
    assert "Ordered by the date of measurement: nowhere does not know" in chosen.out


def test_without_a_subcommand_it_lists_them(dig_bench: Run) -> None:
    ran = dig_bench("history")
    assert (ran.code, ran.err) == (0, "")
    assert "add" in ran.out
    assert "show" in ran.out


def test_mistakes_get_one_line_and_exit_code_2(tmp_path: Path, dig_bench: Run) -> None:
    results(tmp_path / "results", 1, git_revision=None)
    for arguments, complaint in (
        (["history", "show"], "history"),
        (["history", "show", "--history", "nowhere"], "nowhere"),
        (["history", "add", "nowhere"], "nowhere"),
        (["history", "add", "results"], "--revision"),
        (["history", "add"], "RESULTS"),
        (["history", "show", "--metrics", "speed"], "choices are latency"),
        (["history", "show", "--only", "speed=1"], "no field"),
        (["history", "show", "--output", "h.md"], ".json, .html"),
        (["history", "shw"], "show"),
    ):
        ran = dig_bench(*arguments)
        assert (ran.code, ran.out) == (2, ""), arguments
        assert complaint in ran.err
        assert len(ran.err.splitlines()) == 1
    assert dig_bench("history", "add", "results", "--revision", "v1").code == 0
    assert "v1" in dig_bench("history", "show").out


def test_an_empty_history_is_exit_code_5_and_a_page(tmp_path: Path, dig_bench: Run) -> None:
    (tmp_path / "history" / "half").mkdir(parents=True)
    ran = dig_bench("history", "show", "--output", "h.html")
    assert ran.code == 5
    assert "note: half is left out" in ran.out
    assert "There is nothing to draw" in (tmp_path / "h.html").read_text(encoding="utf-8")


def test_hostile_text_stays_text(tmp_path: Path, dig_bench: Run) -> None:
    # A table with NUL bytes is refused.
    for number, text in enumerate(each.replace("\0", "") for each in HOSTILE):
        # Each has its own environment, so that the page names it.
        environment = {"driver": text, "git_revision": text}
        found = [
            replace(each, model=text, backend=text, kernels=text, device_name=text, status=status)
            for each, status in ((row("DiG-S/2@fla", 256), "ok"), (row("DiG-S/2@fla", 512), "oom"))
        ]
        folder = write_results(tmp_path / f"results-{number}", found, **environment)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        (folder / "manifest.json").write_text(json.dumps(manifest | {"started_at": text}), encoding="utf-8")
        assert dig_bench("history", "add", f"results-{number}").code == 0
    ran = dig_bench("history", "show", "--metrics", "latency", "--output", "h.html", "--output", "h.json")
    assert (ran.code, ran.err) == (0, "")
    assert "\x1b" not in ran.out
    assert "::error::" not in ran.out
    elements = Elements((tmp_path / "h.html").read_text(encoding="utf-8"))
    assert elements.scripts == 1
    assert not elements.attributes & {"onmouseover", "onerror"}
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("results-")) == [
        "h.html",
        "h.json",
        "history",
    ]


@pytest.mark.parametrize(("value", "since"), [(5e-324, 4), (1e-300, 4), (1e300, 4), (1e308, 4), (1e300, 0)])
def test_extreme_values_end_in_a_page(value: float, since: int, tmp_path: Path) -> None:
    def change(place: int, row: Row) -> Row:
        found = value if place >= since else 10.0
        return replace(row, latency_ms_median=found, peak_allocated_mib=found)

    one_cell = {"names": ("DiG-S/2@fla",), "resolutions_px": (256,)}
    there = trends(read(keep(tmp_path, range(8), **one_cell, change=change, noise=0.0)))
    assert terminal.render(there)
    json.loads(render(there, ".json"))
    assert "</html>" in render(there, ".html")


def test_a_long_history_draws_the_series_with_changes_first_and_counts_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "MAX_PLOTS", 3)
    names = ("DiG-S/2@fla", "DiG-S/2@fused", "DiT-S/2@math")
    history = keep(tmp_path, range(6), names=names, change=slower(3, 1.5, "DiT-S/2"))
    page = render(trends(read(history), metrics=("latency",)), ".html")
    titles = re.findall("<h3>(.*?)</h3>", page)
    assert len(titles) == 3
    assert set(titles[:2]) == {f"DiT-S/2@math · {px} px: latency" for px in (256, 512)}
    assert "Another 3 series" in page


def test_too_few_entries_are_a_warning(tmp_path: Path) -> None:
    history = tmp_path / "history"
    for place in range(3):
        add(results(tmp_path / str(place), place, change=slower(2, 3.0)), history)
    assert any("need 6 entries" in warning for warning in words.warnings(trends(read(history))))
    for place in range(3, 6):
        add(results(tmp_path / str(place), place), history)
    (warning,) = words.warnings(trends(read(history)))
    # Four cells.
    assert "negligible difference (latency 6 %) can be found. Smaller ones need 16 entries" in warning
    for place in range(6, 16):
        add(results(tmp_path / str(place), place), history)
    assert words.warnings(trends(read(history))) == []


def test_a_label_is_a_short_hash_or_the_name_that_the_user_gave(tmp_path: Path) -> None:
    history = tmp_path / "history"
    add(results(tmp_path / "1", 1, git_dirty=True), history)
    add(results(tmp_path / "2", 2, git_revision=None), history, revision="v1.2")
    assert [entry.label for entry in read(history).entries] == [f"{revision(1)[:10]}+", "v1.2"]
