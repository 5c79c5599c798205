"""The snapshot of a feed's day as the lake uses it: taken at most once, kept, and never replaced by a failure.

A single attempt is `fetch`; the bytes and records lie in `snapshot.RawStore`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from intelsec_assets.days import ONE_DAY, day_end, day_start
from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.fetch import Clock, Fetched, fetch, reads_locally
from intelsec_assets.feeds.snapshot import NOT_DUE, READ, UNREADABLE, FetchState, RawStore, Snapshot
from intelsec_assets.feeds.transfer import Progress, TransferLimits

if TYPE_CHECKING:
    from intelsec_assets.feeds.web import WebAccess

_DEFAULT_LIMITS = TransferLimits()


class FetchStates(Protocol):
    """Where the last good answer of every feed's publisher is remembered."""

    def fetch_state(self, feed: str) -> FetchState | None:
        """The last good answer, None before the first."""

    def save_fetch_state(self, feed: str, state: FetchState) -> None:
        """Remember an answer."""


def take_snapshot(
    feed: Feed,
    day: date,
    raw_store: RawStore,
    data_root: Path | None,
    *,
    clock: Clock,
    fetch_states: FetchStates | None = None,
    allowed_networks: Sequence[str] = (),
    access: WebAccess | None = None,
    limits: TransferLimits = _DEFAULT_LIMITS,
    progress: Progress | None = None,
    stored_first: bool = False,
) -> Snapshot:
    """The feed's snapshot of the day, stored.

    - outside the feed's dates: not_due, nothing is stored;
    - below the data root: read again; the same bytes write nothing, a source that has gone leaves the stored snapshot;
      with `stored_first` it is read only while no good snapshot of the day is stored;
    - over http: fetched only while no good snapshot of the day is stored. An address that shows its current state only
      is not asked for a day that has passed: its bytes would be of another day.

    `access` replaces the live edge of http (by default the system's, with `allowed_networks`). Raises RawStoreError if
    the store cannot be written or is damaged.
    """
    stored = raw_store.load(feed.name, day)
    good = stored if stored is not None and stored.status == READ else None
    is_local = reads_locally(feed, data_root)
    if good is not None and (stored_first or not is_local) and feed.is_due(day):
        return good
    missed = None if is_local else _missed(feed, day, clock)
    if missed is not None and feed.is_due(day):
        fetched = Fetched(Snapshot(feed.name, day, UNREADABLE, reason=missed, source=feed.name))
    else:
        fetched = fetch(
            feed,
            day,
            data_root=data_root,
            clock=clock,
            previous=fetch_states.fetch_state(feed.name) if fetch_states is not None and not is_local else None,
            stored_bytes=raw_store.get,
            access=access or (None if is_local else _system_access(allowed_networks, clock)),
            limits=limits,
            progress=progress,
        )
    return _keep(fetched, good, raw_store, fetch_states)


def _keep(fetched: Fetched, good: Snapshot | None, raw_store: RawStore, fetch_states: FetchStates | None) -> Snapshot:
    snapshot = fetched.snapshot
    if snapshot.status == NOT_DUE:
        return snapshot
    for _, content in fetched.contents:
        raw_store.put(content)  # bytes that are there and whole are not written again
    if good is not None and (snapshot.status != READ or snapshot.sha256 == good.sha256):
        return good
    raw_store.save(snapshot)
    if fetched.state is not None and fetch_states is not None:
        fetch_states.save_fetch_state(snapshot.feed, fetched.state)
    return snapshot


def _missed(feed: Feed, day: date, clock: Clock) -> str | None:
    """Why the feed's address cannot tell what the day held; None = it can be asked."""
    now = clock()
    if feed.url is None:
        return None
    if now < day_start(day):
        return f"the day has not begun; it is {now:%Y-%m-%d %H:%M} UTC"
    keeps_days = "{" in feed.url.replace("{file}", "") or feed.options.get("events") == "day"
    # the run of a day starts after its end: the day after still counts as the day's own state
    if not keeps_days and now >= day_end(day) + ONE_DAY:
        return "its address shows the current state only, and no snapshot was taken on the day"
    return None


def _system_access(allowed_networks: Sequence[str], clock: Clock) -> WebAccess:
    from intelsec_assets.feeds.address_guard import AddressGuard
    from intelsec_assets.feeds.web import WebAccess

    return WebAccess(guard=AddressGuard(allowed_networks), now=clock)
