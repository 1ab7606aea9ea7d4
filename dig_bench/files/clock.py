"""The time of day, as it is written into results."""

from datetime import UTC, datetime


def utc_now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
