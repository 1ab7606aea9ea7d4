"""Lets pages of the site link to files of the repository, as they do on GitHub.

A page under docs/ that links to `../results/README.md` or shows `../reports/x.png` works in a checkout. The site has
the same tree with docs/ as its root: this hook adds the linked files to it and adapts the links.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "results/README.md", "results/decision-rule.md")
FOLDERS = ("reports",)

_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)")
_CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages, the folders, and every file that a page links to. Called by MkDocs."""
    root = Path(config.config_file_path).parent
    wanted = set(PAGES)
    for folder in FOLDERS:
        wanted |= {path.relative_to(root).as_posix() for path in (root / folder).rglob("*") if path.is_file()}
    pages = [root / page for page in PAGES] + sorted(Path(config.docs_dir).rglob("*.md"))
    for page in pages:
        wanted |= {target for target in linked(page, root) if not target.startswith("docs/")}
    for path in sorted(wanted):
        if files.get_file_from_path(path) is None:
            files.append(
                File(path, src_dir=str(root), dest_dir=config.site_dir, use_directory_urls=config.use_directory_urls)
            )
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Points links at where the site has their targets. Called by MkDocs."""
    root = Path(config.config_file_path).parent
    source = page.file.src_uri if page.file.src_uri in PAGES else f"docs/{page.file.src_uri}"

    def adapted(link: re.Match[str]) -> str:
        target = in_repository(link[1], source)
        if not (root / target).exists():
            return link[1]
        return posixpath.relpath(in_site(target), posixpath.dirname(in_site(source)) or ".")

    parts = _CODE.split(markdown)
    return "".join(part if index % 2 else _LINK.sub(adapted, part) for index, part in enumerate(parts))


def linked(page: Path, root: Path) -> Iterator[str]:
    """Files of the repository that a page links to, as paths from its root."""
    source = page.relative_to(root).as_posix()
    for part in _CODE.split(page.read_text(encoding="utf-8"))[::2]:
        for link in _LINK.findall(part):
            target = in_repository(link, source)
            if not target.startswith("..") and (root / target).is_file():
                yield target


def in_repository(link: str, source: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def in_site(path: str) -> str:
    return path.removeprefix("docs/")
