"""The figures and claims of the DiG paper (arXiv 2405.18428) as data.

Zhu et al., "DiG: Scalable and Efficient Diffusion Models with Gated Linear Attention", CVPR 2025. The paper states
neither the GPU, nor the precision, nor the batch size, nor whether its FPS counts training or inference, and its two
figures use different protocols. So ratios between models can be compared with measurements, absolute values cannot.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pandas as pd

# Name in the paper: family and backend in this suite.
_OUR_NAMES = {
    "DiG": ("DiG", "fla"),
    "DiT": ("DiT", "math"),
    "Flash-DiT": ("DiT", "flash2"),
    "DiS": ("DiS", "mamba-ssm"),
}


def speed_memory() -> pd.DataFrame:
    """Returns the points of the teaser figure, S/2 models.

    Columns: `model, size, resolution_px, images_per_s, memory_gb`, and this suite's names `family, backend, label`. A
    point without either value is out of memory, the paper's cross; a point without memory has none in the figure.
    """
    long = _read("figure_speed_memory.csv")
    wide = long.pivot(index=["model", "resolution_px"], columns="quantity", values="value").reset_index()
    names = wide["model"].str.rsplit("-", n=1, expand=True)
    wide = wide.assign(model=names[0], size=names[1], images_per_s=np.exp(wide["ln_images_per_s"]))
    return _with_our_names(wide.rename(columns={"peak_memory_gb": "memory_gb"}).drop(columns="ln_images_per_s"))


def complexity() -> pd.DataFrame:
    """Returns the published compute at 256 px in 10^9 multiply-accumulates: `model, gmacs, source`.

    The papers of DiG and DiT call them GFLOPs.
    """
    return _read("complexity.csv")


def published_code() -> pd.DataFrame:
    """Returns this project's measurements of the code that the authors published.

    Columns: those of a cell, `device_name`, `latency_ms`, and `peak_gib` where it was recorded. The head of the file
    states the method.
    """
    return _read("published_code.csv")


def scaling() -> pd.DataFrame:
    """Returns the points of the model-size figure, S to XL at 1024 and 2048 px: `speed_memory` without memory."""
    return _with_our_names(_read("figure_scaling.csv"))


def claims() -> pd.DataFrame:
    """Returns the paper's claims: `id, claim, figure, quantity, value, model, against, resolution_px, source`.

    `figure` is `teaser` or `size`; `quantity` is `speedup` (a ratio), `memory_saving` (a fraction) or `crossover_px`
    (a resolution).
    """
    return _read("claims.csv")


def ratios(figure: str, model: str, quantity: str = "speedup") -> pd.DataFrame:
    """Returns the ratios that a figure, `teaser` or `size`, shows for a DiG and the other models of its size.

    Columns: `against` (`DiT-S/2@math`), `resolution_px` and `ratio`: of memories if `quantity` is `memory_saving`, else
    of speeds. Above 1 DiG is better. Points that either model lacks have no row.
    """
    points = speed_memory() if figure == "teaser" else scaling()
    points = points.assign(name=points["family"] + "-" + points["size"])
    # More is better.
    points["good"] = 1 / points["memory_gb"] if quantity == "memory_saving" else points["images_per_s"]
    ours = points[points["name"] == model]
    theirs = points[points["size"].isin(ours["size"]) & (points["name"] != model)]
    both = theirs.merge(ours[["resolution_px", "good"]], on="resolution_px", suffixes=("", "_ours"))
    found = both.assign(against=both["name"] + "@" + both["backend"], ratio=both["good_ours"] / both["good"])
    return found.dropna(subset="ratio")[["against", "resolution_px", "ratio"]].reset_index(drop=True)


def _read(name: str) -> pd.DataFrame:
    with files(__name__).joinpath(name).open(encoding="utf-8") as file:
        return pd.read_csv(file, comment="#")


def _with_our_names(points: pd.DataFrame) -> pd.DataFrame:
    ours = points["model"].map(_OUR_NAMES)
    label = "paper: " + points["model"] + "-" + points["size"]
    return points.assign(family=ours.str[0], backend=ours.str[1], label=label)
