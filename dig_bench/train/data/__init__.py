"""What is trained on: the digits that come with the package."""

from dig_bench.train.data.embedded import Labelled, digits

__all__ = ["Labelled", "digits"]
