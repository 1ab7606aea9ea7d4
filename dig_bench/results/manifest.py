"""manifest.json: the sweep, the machine that measured it, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dig_bench.files import atomic
from dig_bench.files.clock import utc_now
from dig_bench.files.json_codec import build, dumps, parse
from dig_bench.results.folder import LAUNCH, MANIFEST, StoreError, os_errors

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Content of a manifest."""

    format: int = FORMAT
    spec: Mapping[str, Any]
    environment: Mapping[str, Any]
    started_at: str
    finished_at: str | None
    """None until all cells have a row."""
    resumed: tuple[Mapping[str, Any], ...] = ()


def new_manifest(spec: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the manifest of a sweep that starts now."""
    return {
        "format": FORMAT,
        "spec": dict(spec),
        "environment": dict(environment),
        "started_at": utc_now(),
        "finished_at": None,
    }


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Reads a folder's manifest. Raises StoreError if it is missing or broken."""
    path = Path(folder) / MANIFEST
    with os_errors(path):
        content = path.read_bytes()
    try:
        manifest: dict[str, Any] = parse(content)
    except ValueError as error:
        raise StoreError(f"{path} is not JSON: {error}") from None
    if isinstance(manifest, dict) and manifest.get("format", FORMAT) != FORMAT:
        raise StoreError(f"{path} has format {_short(manifest['format'])}, this version reads {FORMAT}")
    try:
        build(Manifest, manifest)
    except ValueError as error:
        raise StoreError(f"{path} is not the manifest of a sweep: {error}") from None
    if "launch" in manifest["spec"]:
        raise StoreError(f"{path}: {LAUNCH}")
    return manifest


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Replaces a folder's manifest."""
    atomic.write_whole(folder / MANIFEST, dumps(manifest, indent=2).encode())


def refuse_difference(
    folder: Path, kind: str, there: Mapping[str, Any], here: Mapping[str, Any], keys: Iterable[str]
) -> None:
    """Raises StoreError for the first of the keys whose values differ. `kind` is "sweep" or "machine"."""
    for key in keys:
        if there.get(key) != here.get(key):
            raise StoreError(
                f"{folder} holds another {kind}'s results: {key} is {_short(there.get(key))} there, "
                f"{_short(here.get(key))} here; take another folder"
            )


def _short(value: Any) -> str:
    text = dumps(value, indent=None).strip()
    return text if len(text) <= 200 else text[:200] + "..."
