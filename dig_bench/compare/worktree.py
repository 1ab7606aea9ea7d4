"""Code to compare, each side in a temporary folder: a git revision as a worktree of it, the working tree as a copy.

What somebody edits while it is being measured changes neither.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dig_bench.run.source import OURS

CODE = ("dig_bench", "models")
"""Folders that hold all that runs."""


@dataclass(frozen=True, kw_only=True)
class Checkout:
    title: str
    """`main`, `working tree`."""
    root: Path
    revision: str
    dirty: bool
    """Whether it differs from the revision."""

    @property
    def name(self) -> str:
        """`main (1a2b3c4d5e)`, `working tree (1a2b3c4d5e and changes)`."""
        return f"{self.title} ({self.revision[:10]}{' and changes' if self.dirty else ''})"

    @cached_property
    def digest(self) -> str:
        """Of all its code: two sides with the same one are the same."""
        sha = hashlib.sha256()
        for folder in CODE:
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    sha.update(f"{path.relative_to(self.root)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
        return sha.hexdigest()

    @property
    def label(self) -> str:
        """For the name of a folder."""
        return f"{self.revision[:10]}-{self.digest[:8]}" if self.dirty else self.revision[:10]

    def own(self, file: str, repository: Path) -> str:
        """The checkout's own version of a file of the repository; any other file as it is."""
        path = Path(file).resolve()
        mine = self.root / path.relative_to(repository) if path.is_relative_to(repository) else path
        return str(mine if mine.exists() else path)


def repository() -> Path:
    """The one that this code runs from. ValueError when it runs from none."""
    try:
        return Path(_git(OURS, "rev-parse", "--show-toplevel")).resolve()
    except ValueError as error:
        raise ValueError(
            f"--base takes a revision of the checkout that dig-bench runs from, and {OURS} is none "
            f"(pip install --editable in a clone makes it one): {error}"
        ) from None


@contextmanager
def revision(name: str, repository: Path) -> Iterator[Checkout]:
    """A branch, tag or anything else that git takes for a commit. ValueError for what it does not."""
    if name.startswith("-"):
        raise ValueError(f"{name!r} is no git revision")
    try:
        commit = _git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except ValueError as error:
        known = f": {error}" if str(error) else " of this checkout (a shallow clone lacks most of them)"
        raise ValueError(f"{name!r} is no git revision{known}") from None
    with _temporary_folder() as folder:
        root = folder / "code"
        # Hooks would run on the checkout, and may do anything.
        _git(repository, "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", str(root), commit)
        try:
            yield _complete(Checkout(title=name, root=root, revision=commit, dirty=False))
        finally:
            _git(repository, "worktree", "remove", "--force", str(root))


@contextmanager
def working_tree(repository: Path) -> Iterator[Checkout]:
    """A copy of it as it is now, uncommitted and untracked files of the code included."""
    commit = _git(repository, "rev-parse", "HEAD")
    changes = _git(repository, "status", "--porcelain", "--", *CODE)
    with _temporary_folder() as folder:
        root = folder / "code"
        for name in CODE:
            shutil.copytree(repository / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        yield _complete(Checkout(title="working tree", root=root, revision=commit, dirty=bool(changes)))


def _complete(checkout: Checkout) -> Checkout:
    for file in ("dig_bench/worker.py", "models/dig_models/__init__.py"):
        if not (checkout.root / file).is_file():
            raise ValueError(f"{checkout.name} has no {file}: it cannot be measured by this version of dig-bench")
    return checkout


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dig-bench-") as folder:
        yield Path(folder).resolve()


def _git(root: Path, *arguments: str) -> str:
    """What it prints. ValueError with what it complains of."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise ValueError("git is not installed") from None
    except subprocess.CalledProcessError as error:
        raise ValueError(" ".join(error.stderr.split()).removeprefix("fatal: ")) from None
    return done.stdout.strip()
