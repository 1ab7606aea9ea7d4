"""The documentation: complete, in the project's words, linked correctly, without requests to other hosts."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from dig_bench.cell import ROW_COLUMNS, STATUSES
from dig_bench.cli.app import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def hook(name: str) -> ModuleType:
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    spec = util.spec_from_file_location(f"docs_hook_{name}", ROOT / "docs" / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(group: Any, prefix: str = "dig-bench") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


COMMANDS = dict(commands(typer.main.get_group(app)))


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """Command -> its section of the generated page."""
    page = hook("command_line").page()
    parts = re.split(r"^## (.*?) \{ #\S+ \}$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_command_page_has_every_command(sections: dict[str, str]) -> None:
    assert list(sections) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_page_has_every_option_with_its_help(name: str, sections: dict[str, str]) -> None:
    rows = [line for line in sections[name].splitlines() if line.startswith("| `")]
    for parameter in COMMANDS[name].params:
        spelled = parameter.metavar or parameter.name.upper() if parameter.param_type_name == "argument" else None
        for option in [spelled] if spelled else [*parameter.opts, *parameter.secondary_opts]:
            (row,) = [row for row in rows if re.search(rf"`{re.escape(option)}(?=[` .])", row.split(" | ")[0])]
            assert row.split(" | ")[1].strip(" |")


def test_the_commands_in_documents_exist_with_their_options() -> None:
    called = 0
    for path in DOCUMENTS:
        for block in re.findall(r"^```bash\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                found = re.search(r"(?:dig-bench|-m dig_bench) ([a-z]+(?: (?:add|show)\b)?)(.*)", line.split("  #")[0])
                if found is None:
                    continue
                called += 1
                command = COMMANDS[f"dig-bench {found[1]}"]
                known = {option for parameter in command.params for option in parameter.opts}
                assert set(re.findall(r" (--?[a-z-]+)", found[2])) <= known, f"{name_of(path)}: {line}"
    assert called > 30


def first_column(page: str, title: str) -> list[str]:
    """Code in the first column of the table below a heading, split at commas."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    first = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [part.strip() for cell in first for text in re.findall("`([^`]+)`", cell) for part in text.split(",")]


def test_every_column_of_rows_csv_is_explained_once() -> None:
    assert sorted(first_column("result-files.md", "Columns of rows.csv")) == sorted(ROW_COLUMNS)


def test_every_status_is_explained_once() -> None:
    assert sorted(first_column("result-files.md", "Statuses")) == sorted(STATUSES)


def test_every_public_name_of_the_backbones_is_in_the_api_page() -> None:
    import dig_models

    text = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^::: dig_models\.(?:\w+\.)?(\w+)$|^### `(\w+)`", text, re.MULTILINE))
    assert {name for pair in named for name in pair if name} == set(dig_models.__all__)


def anchors(text: str) -> set[str]:
    """Anchors of a document's headings, as MkDocs and GitHub make them."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub(lambda found: found[0] if "\n" not in found[0] else "", text), re.M)
    plain = [re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in headings]
    return {re.sub(r"\s+", "-", heading) for heading in plain}


GENERATED = {"docs/command-line.md"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_to_files_and_headings_resolve(path: Path) -> None:
    prose = "".join(CODE.split(path.read_text(encoding="utf-8"))[::2])
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?://", link):
            assert re.fullmatch(r"https://[\w.-]+(/[\w./#?=&%-]*)?", link), link
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if name_of(target) in GENERATED:
            continue
        assert target.is_file(), link
        # The published site has no hidden files.
        assert not any(part.startswith(".") for part in target.relative_to(ROOT).parts), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


FORBIDDEN = {
    "process": r"\bfresh launch(es)?\b|\blaunches (a|per|of each|of both) sides?\b|\bthree launches\b|--launches",
    "correctness check": r"--gate|correctness gate|\bgates? (a|the|each) (cell|network|row)|\bungated\b",
    "roofline, peak, bandwidth": r"\broofs?\b",
    "GEMM, matmul": r"\bmatrix products?\b",
    "unavailable, reason": r"\bobstacles?\b",
    "resume, retry, again": r"\b(goes|go|went|going) on\b(?! to)|\banew\b",
    "change point": r"\b(level|step)s? stepped\b|\bstepped\b",
    "inconclusive, undecided": r"\btold apart\b|\bheld equal\b",
    "value": r"\b(has|have|without|with|no|a) figures? to compare\b|\bfigures of (its|the) (row|cell)s?\b",
    "plain English": r"\blikewise\b|\bin vain\b|\bof old\b|\bwhereof\b|\bthereof\b|\bso often\b|\bwhat a step takes\b",
}
"""Word to use -> the words that it replaces (docs/glossary.md)."""


def prose() -> Iterator[tuple[str, str]]:
    for path in DOCUMENTS:
        # The changelog names what was renamed.
        yield (
            name_of(path),
            re.sub(r"^## Unreleased\n.*?(?=^## )", "", path.read_text(encoding="utf-8"), flags=re.M | re.S),
        )
    for name, command in COMMANDS.items():
        texts = [command.help, command.epilog, *(each.help for each in command.params)]
        yield f"{name} --help", "\n".join(text for text in texts if text)


PROSE = dict(prose())


@pytest.mark.parametrize("source", PROSE)
def test_the_words_are_those_of_the_glossary(source: str) -> None:
    text = " ".join(CODE.sub(lambda found: " " if "\n" in found[0] else found[0], PROSE[source]).split())
    found = [
        (say, match[0]) for say, pattern in FORBIDDEN.items() for match in re.finditer(pattern, text, re.IGNORECASE)
    ]
    assert found == []


class Links(HTMLParser):
    """Collects what a page loads, and where it links to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.targets: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a":
            self.targets.append(found.get("href") or "")
        elif tag == "link" and found.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(found.get("href") or "")
        elif "src" in found:
            self.loaded.append(found["src"] or "")


def test_every_committed_page_is_in_the_index_with_a_sentence() -> None:
    index = ROOT / "reports" / "index.html"
    pages = {name_of(path).removeprefix("reports/") for path in (ROOT / "reports").rglob("*.html")} - {"index.html"}
    links = Links(index)
    assert sorted(links.targets) == sorted(pages)
    assert links.loaded == []
    sentences = re.findall(r"<dd>(.*?)</dd>", index.read_text(encoding="utf-8"), re.DOTALL)
    assert len(sentences) == len(pages)
    assert all(sentence.endswith(".") for sentence in sentences)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={"NO_MKDOCS_2_WARNING": "1", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")
    return folder


def test_the_site_loads_nothing_from_other_hosts(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        assert [each for each in Links(page).loaded if re.match(r"(https?:)?//", each)] == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_the_site_shows_the_example_plugin(site: Path) -> None:
    shown = (site / "tutorials" / "benchmark-your-model" / "index.html").read_text(encoding="utf-8")
    assert "AdaLNBackbone" in shown
    assert "depthwise_convolution=torch" in shown


def test_the_site_has_the_committed_pages_and_figures(site: Path) -> None:
    for path in (ROOT / "reports").rglob("*"):
        if path.is_file():
            assert (site / name_of(path)).is_file()
