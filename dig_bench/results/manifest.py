"""manifest.json: the sweep, the machine that measured it, and when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dig_bench.files import atomic
from dig_bench.files.clock import utc_now
from dig_bench.results.folder import LAUNCH, MANIFEST, StoreError, os_errors

FORMAT = 1

TYPES: dict[str, type | tuple[type, ...]] = {
    "format": int,
    "spec": dict,
    "environment": dict,
    "started_at": str,
    "finished_at": (str, type(None)),
}


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
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is not JSON: {error}") from None
    if not isinstance(manifest, dict) or not TYPES.keys() <= manifest.keys():
        raise StoreError(f"{path} is not the manifest of a sweep")
    if manifest["format"] != FORMAT:
        raise StoreError(f"{path} has format {_short(manifest['format'])}, this version reads {FORMAT}")
    resumed = manifest.get("resumed", [])
    for name, kinds in TYPES.items():
        if not isinstance(manifest[name], kinds):
            raise StoreError(f"{path}: {name} cannot be {_short(manifest[name])}")
    if not isinstance(resumed, list) or not all(isinstance(each, dict) for each in resumed):
        raise StoreError(f"{path}: resumed cannot be {_short(resumed)}")
    if "launch" in manifest["spec"]:
        raise StoreError(f"{path}: {LAUNCH}")
    return manifest


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Replaces a folder's manifest."""
    atomic.write_whole(folder / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())


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
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + "..."
