"""Rows of a cell that count as its processes: those that the same code measured with the same kernels.

Another launch setting of a kernel moves a latency by more than processes differ. Rows of two versions of the code are
two measurements, not two processes of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SECONDS = len("2026-01-02T03:04:05")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Code, kernels and state that a row was measured with."""

    code: str
    """Equal for rows that the same code measured; empty where that is unknown."""
    kernels: str
    state: str
    started_at: str

    def is_alike(self, other: Origin) -> bool:
        """Returns true if both are known to be of the same code, kernels and state."""
        return bool(self.code) and self._identity == other._identity

    @property
    def _identity(self) -> tuple[str, str, str]:
        return self.code, self.kernels, self.state


def code_of(manifest: Mapping[str, Any] | None, started_at: str, *, folder: str = "") -> str:
    """Returns the identity of the code that measured a row, from its folder's manifest and the row's `started_at`.

    A sweep that was resumed has parts, each with the code that it ran. The identity is that of the code's git trees,
    else a clean revision. Uncommitted changes without trees are known to be the same within an uninterrupted part of
    one `folder` only. Empty without a manifest.
    """
    if manifest is None:
        return ""
    parts = [("", manifest["environment"]), *((str(each.get("at", "")), each) for each in manifest.get("resumed", []))]
    begun = [number for number, (at, _) in enumerate(parts) if not at or at[:_SECONDS] <= (started_at or "")[:_SECONDS]]
    number = begun[-1]
    git = parts[number][1]
    if trees := git.get("git_trees"):
        return f"trees {trees}"
    if git.get("git_revision") and git.get("git_dirty") is False:
        return f"revision {git['git_revision']}"
    return f"part {number} of {folder}, begun {parts[number][0] or manifest.get('started_at', '')}"


def newest_alike(origins: Sequence[Origin]) -> list[bool]:
    """Returns, for each of a cell's measured rows, whether it counts: the newest row and all that are alike."""
    if not origins:
        return []
    newest = max(range(len(origins)), key=lambda place: (origins[place].started_at, place))
    return [place == newest or each.is_alike(origins[newest]) for place, each in enumerate(origins)]
