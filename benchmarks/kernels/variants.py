"""Launch settings that benchmarks/kernels/operations.py tries: changes of the constants of an operation's module."""

from typing import Any


def launches(part: str, *changes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"LAUNCH": {part: change}} for change in changes]


ROWS = [
    *launches(
        "forward", {"programs": 264}, {"programs": 1056}, {"tile": 1024}, {"tile": 2048}, {"tile": 4096}, {"tile": 8192}
    ),
    *launches("forward", {"num_warps": 4}, {"num_warps": 8}),
    *launches(
        "backward",
        {"STAGES": 4},
        {"num_warps": 4},
        {"num_warps": 4, "STAGES": 4},
        {"num_warps": 4, "programs": 264},
        {"num_warps": 4, "programs": 264, "STAGES": 4},
        {"num_warps": 4, "programs": 528},
        {"programs": 264},
    ),
]
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "norm_modulate": ROWS,
    "gate_residual": ROWS,
    "gate_residual_norm_modulate": ROWS,
    "residual_conv": [
        *launches(
            "forward",
            {"STAGES": 2},
            {"STAGES": 3},
            {"COLUMNS": 4, "num_warps": 2},
            {"COLUMNS": 16},
            {"COLUMNS": 16, "num_warps": 8},
            {"programs": 660},
            {"programs": 1320},
            {"programs": 2640},
            {"ABREAST": 1, "CHANNELS": 64, "STAGES": 1},
            {"ABREAST": 1, "CHANNELS": 64, "STAGES": 3, "programs": 1320},
            {"ABREAST": 4, "CHANNELS": 256},
            {"ABREAST": 4, "COLUMNS": 16},
        ),
        *launches("backward", {"STAGES": 1}, {"STAGES": 3}, {"maxnreg": 128}, {"programs": 594}, {"programs": 792}),
    ],
    "residual_conv_norm_modulate": [
        {"WIDEST": 0},
        {"WIDEST": 10**9, "MANY_TOKENS": 10**9},
        *(
            {"WIDEST": 10**9, "MANY_TOKENS": 10**9} | change
            for change in launches(
                "few",
                {"COLUMNS": 2, "ABREAST": 1, "TOKENS": 2},
                {"COLUMNS": 8, "TOKENS": 8},
                {"num_warps": 8},
                {"programs": 264},
                {"programs": 1056},
            )
        ),
        *(
            {"WIDEST": 10**9, "MANY_TOKENS": 0} | change
            for change in launches(
                "many",
                {},
                {"programs": 264},
                {"programs": 1056},
                {"STAGES": 2},
                {"STAGES": 3},
                {"NORM_STAGES": 2},
                {"NORM_STAGES": 3},
                {"TOKENS": 16},
                {"num_warps": 8},
                {"num_warps": 8, "programs": 264},
                {"num_warps": 8, "programs": 264, "COLUMNS": 16},
                {"num_warps": 8, "STAGES": 2, "programs": 264},
                {"COLUMNS": 16, "ABREAST": 4, "maxnreg": 168},
                {"COLUMNS": 16, "ABREAST": 4, "maxnreg": 168, "programs": 264},
                {"ABREAST": 1, "CHANNELS": 64, "STAGES": 3, "maxnreg": None},
            )
        ),
    ],
    "gla_mixer": [
        {"PROGRAMS": {"forward": 264, "train": 396}},
        *({"FEW_STATES": entries} for entries in (0, 24)),
        {"PROGRAMS": {"forward": 264}, "LAUNCH": {"outputs": {"maxnreg": None}}},
        *launches("outputs", {"maxnreg": None}, {"STAGES": 1}, {"STAGES": 3}, {"maxnreg": 128}),
        {"PROGRAMS": {"forward": 528, "train": 528}, "LAUNCH": {"outputs": {"maxnreg": 128}}},
        *launches("output_gradients", {"maxnreg": 168}, {"STAGES": 1}, {"STAGES": 3}),
        *launches("input_gradients", {"maxnreg": 168}, {"STAGES": 1}, {"STAGES": 3}),
    ],
    "swiglu_mlp": [
        *({"LAUNCH": change} for change in ({"TOKENS": 4}, {"num_warps": 8})),
        *({"GROUP": tiles, "GROUP_OF_MANY": tiles} for tiles in (4, 8, 16)),
        {"NARROW": 0},
        {"NARROW": 10**9},
        *(
            {"GEMM": dict.fromkeys(("few", "narrow", "wide"), change)}
            for change in ({"STAGES": 2}, {"STAGES": 4}, {"DEPTH": 32, "STAGES": 6}, {"num_warps": 4}, {"num_warps": 8})
        ),
        # No GEMM has as many tiles, so cuBLAS and the separate SwiGLU kernel run.
        {"NARROW": 0, "PROGRAMS": {"wide": 10**9}},
    ],
}
