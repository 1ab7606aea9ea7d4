"""Time of day as results store it."""

from datetime import UTC, datetime


def utc_now() -> str:
    """Returns the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
