"""Names of models: family, size, order."""

import pytest

from dig_bench.results.names import place, size_rank, split


@pytest.mark.parametrize(
    ("model", "family", "size"),
    [
        ("DiG-S/2", "DiG", "S/2"),
        ("U-DiG-XL/4", "U-DiG", "XL/4"),
        ("DiG-S/2-skip", "DiG", "S/2"),
        ("MyNet-XS/2", "MyNet", "XS/2"),
        ("MyNet", "MyNet", ""),
        ("", "", ""),
    ],
)
def test_a_name_has_a_family_and_a_size(model: str, family: str, size: str) -> None:
    assert split(model) == (family, size)


def test_sizes_ascend_and_unknown_ones_come_last() -> None:
    assert sorted(["XS/2", "XL/2", "B/2", "S/2", "H/2"], key=size_rank) == ["S/2", "B/2", "XL/2", "H/2", "XS/2"]
    assert place("c", ("a", "b")) == 2
