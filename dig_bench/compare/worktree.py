"""Code to compare, each side in a temporary folder: a git revision as a worktree, the working tree as a copy.

Edits during the measurement change neither.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dig_bench.run.source import OURS

CODE = ("dig_bench", "models")
"""Folders with all the code that is measured."""

_NEEDED = ("dig_bench/run/worker.py", "models/dig_models/__init__.py")
"""Files without which code is no suite that this version can measure."""


@dataclass(frozen=True, kw_only=True)
class Checkout:
    title: str
    """`main`, `working tree`."""
    root: Path
    revision: str
    dirty: bool
    """True if the code differs from the revision."""

    @property
    def name(self) -> str:
        """`main (1a2b3c4d5e)`, `working tree (1a2b3c4d5e and changes)`."""
        return f"{self.title} ({self.revision[:10]}{' and changes' if self.dirty else ''})"

    @cached_property
    def digest(self) -> str:
        """Digest of all code, the same for two sides with the same code."""
        sha = hashlib.sha256()
        for folder in CODE:
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    sha.update(f"{path.relative_to(self.root)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
        return sha.hexdigest()

    @property
    def label(self) -> str:
        """Part of a folder's name."""
        return f"{self.revision[:10]}-{self.digest[:8]}" if self.dirty else self.revision[:10]

    def own(self, file: str, repository: Path) -> str:
        """Returns the checkout's own version of a file of the repository; any other path as it is."""
        path = Path(file).resolve()
        mine = self.root / path.relative_to(repository) if path.is_relative_to(repository) else path
        return str(mine if mine.exists() else path)


def repository() -> Path:
    """Returns the repository that this code runs from. Raises ValueError if there is none."""
    try:
        return Path(_git(OURS, "rev-parse", "--show-toplevel")).resolve()
    except ValueError as error:
        raise ValueError(
            f"--base needs dig-bench to run from a git checkout, and {OURS} is none "
            f"(pip install --editable in a clone makes it one): {error}"
        ) from None


def checkout(name: str | None, repository: Path) -> AbstractContextManager[Checkout]:
    """Returns the checkout of a revision, or of the working tree for None."""
    return revision(name, repository) if name else working_tree(repository)


@contextmanager
def revision(name: str, repository: Path) -> Iterator[Checkout]:
    """Checks out a branch, tag or any other name of a commit. Raises ValueError for a name that is none."""
    if name.startswith("-"):
        raise ValueError(f"{name!r} is no git revision")
    try:
        commit = _git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except ValueError as error:
        known = f": {error}" if str(error) else " of this checkout (a shallow clone lacks most of them)"
        raise ValueError(f"{name!r} is no git revision{known}") from None
    with _temporary_folder() as folder:
        root = folder / "code"
        # A hook could run on the checkout, and do anything.
        _git(repository, "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", str(root), commit)
        try:
            yield _complete(Checkout(title=name, root=root, revision=commit, dirty=False))
        finally:
            _git(repository, "worktree", "remove", "--force", str(root))


@contextmanager
def working_tree(repository: Path) -> Iterator[Checkout]:
    """Copies the working tree as it is now, including uncommitted and untracked files of the code."""
    commit = _git(repository, "rev-parse", "HEAD")
    changes = _git(repository, "status", "--porcelain", "--", *CODE)
    with _temporary_folder() as folder:
        root = folder / "code"
        for name in CODE:
            shutil.copytree(repository / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        yield _complete(Checkout(title="working tree", root=root, revision=commit, dirty=bool(changes)))


def _complete(checkout: Checkout) -> Checkout:
    for file in _NEEDED:
        if not (checkout.root / file).is_file():
            raise ValueError(f"{checkout.name} has no {file}: this version of dig-bench cannot measure it")
    return checkout


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dig-bench-") as folder:
        yield Path(folder).resolve()


def _git(root: Path, *arguments: str) -> str:
    """Returns git's output. Raises ValueError with git's complaint."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise ValueError("git is not installed") from None
    except subprocess.CalledProcessError as error:
        raise ValueError(" ".join(error.stderr.split()).removeprefix("fatal: ")) from None
    return done.stdout.strip()
