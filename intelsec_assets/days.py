"""Days and instants: the partition's day, its bounds in UTC, and the way to write and read them.

Every other module gets its time from here or from its input; nothing here reads a clock.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

ONE_DAY = timedelta(days=1)


def parse_day(text: str) -> date:
    """The day written as YYYY-MM-DD. Raises ValueError that says what was expected."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a day: expected YYYY-MM-DD, for example 2026-03-02") from None


def day_start(day: date) -> datetime:
    """First instant of the day, UTC."""
    return datetime.combine(day, time.min, tzinfo=UTC)


def day_end(day: date) -> datetime:
    """The as-of instant of a partition: the first instant after the day, UTC."""
    return day_start(day + ONE_DAY)


def previous_day(day: date) -> date:
    """The day before."""
    return day - ONE_DAY


def days_between(first: date, last: date) -> list[date]:
    """Every day from first to last, both included. Empty if last is before first."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
