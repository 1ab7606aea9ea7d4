"""A sweep of four cells whose values follow from the cell: a wrong row shows."""

from dig_bench.cell import Cell, Row

CELLS = tuple(
    Cell(model="DiG-S/2", backend="chunked", resolution_px=px, process=n) for n in (1, 2) for px in (256, 512)
)
SPEC = {"sweep": "test", "models": ["DiG-S/2@chunked"], "protocol.min_samples": 6}
MACHINE = {"device": "cpu", "cpu": "a CPU", "torch": "2.13.0", "git_revision": "abc", "git_dirty": False}


def row_of(cell: Cell) -> Row:
    """Returns a row whose values follow from the cell: measured twice, it would be the same."""
    latency_ms = cell.resolution_px / 7 + cell.process
    return Row.of(
        cell,
        "ok",
        detail='a comma, a "quote" and an ümlaut',
        num_tokens=cell.resolution_px**2 // 256,
        device_name="a CPU",
        kernels="mix=torch 2.13.0 conv2d",
        latency_ms_median=latency_ms,
        images_per_s=1e3 / latency_ms,
        num_samples=6,
        started_at="2026-01-02T03:04:05+00:00",
    )


def samples_of(cell: Cell) -> dict[str, list[float]]:
    return {"latency_ms": [cell.resolution_px / 7 + cell.process + 0.001 * index for index in range(6)]}
