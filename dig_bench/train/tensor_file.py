"""Files of safetensors that are there as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Readers see the file that was there or the new one, never a part. ValueError when it cannot be written."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    # A folder of its own: safetensors writes to a file of a random name first, which a killed writer leaves behind.
    writing = path.with_name(path.name + ".writing")
    shutil.rmtree(writing, ignore_errors=True)
    try:
        writing.mkdir()
        new = writing / path.name
        save_file(dict(tensors), new, metadata=dict(metadata or {}))
        # Its temporary file is its writer's alone; the folder's mode says what the umask lets others do.
        new.chmod(writing.stat().st_mode & 0o666)
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be written, and is left as it was: {error}") from None
    finally:
        shutil.rmtree(writing, ignore_errors=True)
