"""The figures and claims of the DiG paper (arXiv 2405.18428) as data.

Zhu et al., "DiG: Scalable and Efficient Diffusion Models with Gated Linear Attention", CVPR 2025. The paper does not
state the GPU, the precision, the batch size, nor whether its FPS counts training or inference, and its two figures use
different protocols: ratios between models may be compared with a measurement, absolute figures may not.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pandas as pd

# The paper's names, in this suite's terms: architecture, and the backend that its implementation corresponds to.
_ARCHITECTURES = {
    "DiG": ("DiG", "fla"),
    "DiT": ("DiT", "math"),
    "Flash-DiT": ("DiT", "flash2"),
    "DiS": ("DiS", "mamba-ssm"),
}


def speed_memory() -> pd.DataFrame:
    """The teaser figure, S/2 models: `model, size, resolution_px, images_per_s, memory_gb`, and in this suite's terms
    `family, backend, label`.

    A point with neither figure is the paper's cross for out of memory; memory alone is missing where it shows none.
    """
    long = _read("figure_speed_memory.csv")
    wide = long.pivot(index=["model", "resolution_px"], columns="quantity", values="value").reset_index()
    names = wide["model"].str.rsplit("-", n=1, expand=True)
    wide = wide.assign(model=names[0], size=names[1], images_per_s=np.exp(wide["ln_images_per_s"]))
    return _in_our_terms(wide.rename(columns={"peak_memory_gb": "memory_gb"}).drop(columns="ln_images_per_s"))


def complexity() -> pd.DataFrame:
    """What the papers of DiG and DiT call GFLOPs at 256 px, which are multiply-accumulates: `model, gmacs, source`."""
    return _read("complexity.csv")


def published_code() -> pd.DataFrame:
    """What the code that the authors published takes, measured by this project: the columns of a cell, `device_name`,
    `latency_ms` and, where it was noted, `peak_gib`. The file says how."""
    return _read("published_code.csv")


def scaling() -> pd.DataFrame:
    """The model-size figure, S to XL at 1024 and 2048 px: columns as `speed_memory`, without memory."""
    return _in_our_terms(_read("figure_scaling.csv"))


def claims() -> pd.DataFrame:
    """What the paper claims: `id, claim, figure, quantity, value, model, against, resolution_px, source`.

    figure is `teaser` or `size`; quantity is `speedup` (a ratio), `memory_saving` (a fraction) or `crossover_px` (a
    resolution).
    """
    return _read("claims.csv")


def ratios(figure: str, model: str, quantity: str = "speedup") -> pd.DataFrame:
    """What a figure, `teaser` or `size`, shows of a DiG against the others of its size: `against` (DiT-S/2@math),
    `resolution_px` and `ratio`, of speeds, or of memories when quantity is `memory_saving`; above 1 DiG is better.

    A point that is missing on either side has no ratio.
    """
    points = speed_memory() if figure == "teaser" else scaling()
    points = points.assign(name=points["family"] + "-" + points["size"])
    # Both columns such that more is better.
    points["good"] = 1 / points["memory_gb"] if quantity == "memory_saving" else points["images_per_s"]
    ours = points[points["name"] == model]
    theirs = points[points["size"].isin(ours["size"]) & (points["name"] != model)]
    both = theirs.merge(ours[["resolution_px", "good"]], on="resolution_px", suffixes=("", "_ours"))
    found = both.assign(against=both["name"] + "@" + both["backend"], ratio=both["good_ours"] / both["good"])
    return found.dropna(subset="ratio")[["against", "resolution_px", "ratio"]].reset_index(drop=True)


def _read(name: str) -> pd.DataFrame:
    with files(__name__).joinpath(name).open(encoding="utf-8") as file:
        return pd.read_csv(file, comment="#")


def _in_our_terms(figures: pd.DataFrame) -> pd.DataFrame:
    ours = figures["model"].map(_ARCHITECTURES)
    label = "paper: " + figures["model"] + "-" + figures["size"]
    return figures.assign(family=ours.str[0], backend=ours.str[1], label=label)
