"""All pages in headless Chromium: sorting, filtering, dark and light, a phone's width, accessibility by axe-core.

AXE_CORE_JS names the file axe.min.js of the npm package axe-core.
"""

import html
import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import parity_results
from dig_bench import report
from dig_bench.cell import Cell
from dig_bench.claims.assessment import assess
from dig_bench.claims.output import render as render_claims
from dig_bench.compare.comparison import compare
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.output import write
from dig_bench.compare.settings import Settings
from dig_bench.history.add import add
from dig_bench.history.entries import read
from dig_bench.history.output import render as render_history
from dig_bench.history.trends import trends
from dig_bench.parity.output.page import write as write_parity
from dig_bench.parity.verdict import against_first
from dig_bench.profile.folder import Contents, Failure
from dig_bench.profile.output.page import write as write_profiles
from dig_bench.render.style import COLORS
from history_folders import results, slower
from profiles import profile
from report_rows import row, sweep, write_results

pytestmark = pytest.mark.browser

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=20000",
    "--dump-dom",
]
DARK = "--blink-settings=preferredColorScheme=0"
LIGHT = "--blink-settings=preferredColorScheme=1"
WIDTHS_PX = (360, 768, 1280)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    rows = sweep(
        models=("DiG-S/2@fla", "DiT-S/2@math"), resolutions_px=(256, 1024, 1536), executions=("eager", "graph")
    )
    rows += [row("DiS-S/2@mamba-ssm", 256, status="noisy"), row("DiS-S/2@mamba-ssm", 512, status="crashed")]
    written, *_ = report.write(write_results(folder / "example", rows, git_dirty=True), out=folder)
    return written


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of dig-bench compare: one cell slower, one failed, one missing, one undecided."""
    rows = sweep(models=("DiG-S/2@fla", "DiT-S/2@math"), resolutions_px=(256, 512, 1024))
    base = [replace(each, process=process, kernels="one") for process in (1, 2, 3) for each in rows]
    changes: dict[tuple[str, int], dict[str, Any]] = {
        ("DiG-S/2", 256): {"latency_ms_median": 9.0, "kernels": "two"},
        ("DiG-S/2", 512): {"status": "mismatch", "detail": "the output is not finite"},
        ("DiT-S/2", 256): {"status": "throttled"},
    }
    candidate = [
        replace(each, **changes.get((each.model, each.resolution_px), {}))
        for each in base
        if (each.model, each.resolution_px) != ("DiT-S/2", 512)
    ]
    manifest = {"environment": {"torch": "2"}, "spec": {"sweep": "test data"}, "finished_at": None}
    sides = [Evidence.of(each, source="results", manifest=manifest) for each in (base, candidate)]
    page = tmp_path_factory.mktemp("browser") / "compare.html"
    write(compare(*sides, Settings()), page)
    return page


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of dig-bench claims: some exceeded, some not reproduced, some not measured."""
    folder = tmp_path_factory.mktemp("browser")
    rows = sweep(
        models=("DiG-S/2@fla", "DiT-S/2@math", "DiT-S/2@flash2"), resolutions_px=(256, 512, 1024), precisions=("tf32",)
    )
    rows += [row(name, 1024, mode="forward") for name in ("DiG-XL/2@fla", "DiS-XL/2@mamba-ssm")]
    page = folder / "claims.html"
    page.write_text(render_claims(assess([write_results(folder / "results", rows)]), ".html"), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of dig-bench history: a change point of the code and another environment."""
    folder = tmp_path_factory.mktemp("browser")
    for place in range(8):
        driver = "580" if place < 6 else "590"
        add(results(folder / str(place), place, change=slower(4, 1.2), driver=driver), folder / "history")
    page = folder / "history.html"
    page.write_text(render_history(trends(read(folder / "history")), ".html"), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of dig-bench profile: two models at two resolutions, and a failure."""
    found = [profile(name, resolution_px=px) for name in ("DiG-S/2@chunked", "DiT-S/2@sdpa") for px in (256, 512)]
    failures = [
        Failure(cell=Cell(model="DiT-S/2", backend="math", resolution_px=2048), status="oom", detail="too large")
    ]
    page, *_ = write_profiles(
        tmp_path_factory.mktemp("browser"), "profiles", Contents(profiles=found, failures=failures)
    )
    return page


@pytest.fixture(scope="module")
def parity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of dig-bench parity: two contenders that differ."""
    found = parity_results.results("DiG-T/2@chunked", "DiT-T/2@sdpa")
    page, *_ = write_parity(found, against_first(found), tmp_path_factory.mktemp("browser"))
    return page


@pytest.fixture(params=["page", "comparison", "claims", "history", "profiles", "parity"])
def any_page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def dumped(page: Path, *flags: str) -> str:
    """Returns the document after its scripts have run."""
    profile = page.with_name("profile")
    command = ["chromium", *FLAGS, *flags, f"--user-data-dir={profile}", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def evaluated(page: Path, tmp_path: Path, script: str, *flags: str, library: str = "") -> Any:
    """Returns what an async function body returns in a copy of the page that allows scripts of others."""
    content = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    runner = f"""<script>{library}</script><script>(async () => {{
      const pre = document.createElement("pre");
      try {{ pre.textContent = JSON.stringify(await (async () => {{ {script} }})()); }}
      catch (error) {{ pre.textContent = JSON.stringify({{ error: String(error) }}); }}
      pre.id = "evaluated"; document.body.append(pre); }})();</script>"""
    copy = tmp_path / "copy.html"
    copy.write_text(content.replace("</body>", runner + "</body>"), encoding="utf-8")
    found = re.search(r'<pre id="evaluated">(.*?)</pre>', dumped(copy, *flags), re.DOTALL)
    assert found, "the script did not finish"
    return json.loads(html.unescape(found[1]))


def test_the_page_s_own_script_is_allowed_to_run(page: Path) -> None:
    assert re.search(r'<output id="row-count"[^>]*>14 of 14 rows</output>', dumped(page))


def test_the_table_sorts_by_number_both_ways_and_keeps_missing_values_last(page: Path, tmp_path: Path) -> None:
    found = evaluated(
        page,
        tmp_path,
        """
        const heads = [...document.querySelectorAll("#rows-table thead th")];
        const column = heads.findIndex((head) => head.textContent === "latency_ms_median");
        const values = () => [...document.querySelectorAll("#rows-table tbody tr")]
          .map((row) => Number(row.cells[column].title || row.cells[column].textContent));
        const button = heads[column].querySelector("button");
        button.click();
        const up = [heads[column].getAttribute("aria-sort"), values()];
        button.click();
        return [up, [heads[column].getAttribute("aria-sort"), values()]];
        """,
    )
    # Missing values are NaN, which JSON writes as null.
    (up, rising), (down, falling) = found
    assert (up, down) == ("ascending", "descending")
    numbers = [value for value in rising if value is not None]
    assert len(numbers) >= 10
    assert rising == [*sorted(numbers), *[None] * (14 - len(numbers))]
    assert falling == [*sorted(numbers, reverse=True), *[None] * (14 - len(numbers))]


def test_the_table_filters_by_words_model_and_status(page: Path, tmp_path: Path) -> None:
    found = evaluated(
        page,
        tmp_path,
        """
        const shown = () => document.querySelectorAll("#rows-table tbody tr:not([hidden])").length;
        const set = (id, value) => {
          const control = document.getElementById(id);
          control.value = value;
          control.dispatchEvent(new Event("input"));
          return shown();
        };
        return [shown(), set("filter-text", "FLA eager"), set("filter-text", ""), set("filter-model", "DiS-S/2"),
          set("filter-status", "crashed"), document.getElementById("row-count").textContent];
        """,
    )
    assert found == [14, 3, 14, 2, 1, "1 of 14 rows"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_and_figures_follow_the_reader_s_color_scheme(scheme: str, any_page: Path, tmp_path: Path) -> None:
    found = evaluated(
        any_page,
        tmp_path,
        """
        const of = (selector, property) => getComputedStyle(document.querySelector(selector))[property];
        return [of("body", "backgroundColor"), of("figure svg text", "fill")];
        """,
        DARK if scheme == "dark" else LIGHT,
    )
    expected = [COLORS[name][scheme == "dark"] for name in ("page", "ink")]
    assert found == ["rgb({}, {}, {})".format(*bytes.fromhex(color[1:])) for color in expected]


def test_no_page_scrolls_sideways_at_any_width(any_page: Path, tmp_path: Path) -> None:
    opened = html.escape(any_page.read_text(encoding="utf-8").replace("<details>", "<details open>"))
    frames = "".join(f'<iframe width="{width}" height="800" srcdoc="{opened}"></iframe>' for width in WIDTHS_PX)
    framed = tmp_path / "framed.html"
    framed.write_text(
        f"""<!doctype html><body>{frames}<script>addEventListener("load", () => {{
          const sizes = [...document.querySelectorAll("iframe")].map(({{ contentWindow, contentDocument }}) =>
            [contentWindow.innerWidth, contentDocument.documentElement.scrollWidth]);
          document.title = JSON.stringify(sizes); }});</script></body>""",
        encoding="utf-8",
    )
    found = re.search(r"<title>(.*?)</title>", dumped(framed, "--window-size=1600,900"))
    assert found
    sizes = json.loads(found[1])
    assert [inner for inner, _ in sizes] == list(WIDTHS_PX)
    assert [width for width, (inner, scrolled) in zip(WIDTHS_PX, sizes, strict=True) if scrolled > inner] == []


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_axe_finds_nothing_to_complain_of(scheme: str, any_page: Path, tmp_path: Path) -> None:
    library = os.environ.get("AXE_CORE_JS")
    if not library:
        pytest.skip("needs axe-core: AXE_CORE_JS names its axe.min.js (npm pack axe-core)")
    found = evaluated(
        any_page,
        tmp_path,
        """
        document.querySelectorAll("details").forEach((details) => { details.open = true; });
        const { violations, passes } = await axe.run(document);
        const places = (nodes) => nodes.slice(0, 3).map((node) => node.html);
        return [passes.length, violations.map(({ id, nodes }) => [id, ...places(nodes)])];
        """,
        scheme,
        library=Path(library).read_text(encoding="utf-8").replace("</script", "<\\/script"),
    )
    passed, violations = found
    assert violations == []
    assert passed > 20
