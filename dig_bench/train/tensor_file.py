"""Safetensors files that are written atomically."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Replaces the file; readers see the old one or the new one. Raises ValueError if it cannot be written."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    # In a folder of its own: safetensors writes to a randomly named file first, which a killed writer leaves behind.
    writing = path.with_name(path.name + ".writing")
    shutil.rmtree(writing, ignore_errors=True)
    try:
        writing.mkdir()
        new = writing / path.name
        save_file(dict(tensors), new, metadata=dict(metadata or {}))
        # safetensors lets only the owner read its temporary file; the folder's mode shows what the umask allows.
        new.chmod(writing.stat().st_mode & 0o666)
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be written, the old file is unchanged: {error}") from None
    finally:
        shutil.rmtree(writing, ignore_errors=True)
