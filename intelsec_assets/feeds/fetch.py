"""One attempt at a feed's day: from the data root or from its published address, as a snapshot with its bytes.

When an attempt is made and what is kept of it is `take`; the two transports are `local` and `web`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from intelsec_assets.days import day_start
from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.local import expand, read_local
from intelsec_assets.feeds.misp_manifest import MANIFEST, event_names
from intelsec_assets.feeds.snapshot import (
    NOT_DUE,
    READ,
    UNREADABLE,
    FetchState,
    RawStoreError,
    Snapshot,
    SnapshotFile,
    snapshot_hash,
)
from intelsec_assets.feeds.transfer import FetchError, PermanentFetchError, Progress, TransferLimits

if TYPE_CHECKING:
    from intelsec_assets.feeds.web import Answer, WebAccess, WebSession

Clock = Callable[[], datetime]
StoredBytes = Callable[[str], bytes]  # content of a hash; raises RawStoreError

TAXII_MEDIA_TYPE = "application/taxii+json;version=2.1"
_DEFAULT_LIMITS = TransferLimits()


@dataclass(frozen=True)
class Fetched:
    """A snapshot with the bytes of its files, and for one file over http what to ask with next time."""

    snapshot: Snapshot
    contents: tuple[tuple[SnapshotFile, bytes], ...] = ()
    state: FetchState | None = None


def fetch(
    feed: Feed,
    day: date,
    *,
    data_root: Path | None,
    clock: Clock,
    previous: FetchState | None = None,
    stored_bytes: StoredBytes | None = None,
    access: WebAccess | None = None,
    limits: TransferLimits = _DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> Fetched:
    """The feed's files of a day. Never raises for a source that cannot be read: the snapshot says `unreadable` and why.

    With a data root a feed's `local` path is read, else its `url` is fetched. `previous` and `stored_bytes` let the
    server answer "not modified"; the bytes stored then are the content. `access` is the live edge of http.
    """
    if not feed.is_due(day):
        return Fetched(Snapshot(feed.name, day, NOT_DUE, reason=not_due_reason(feed)))
    is_local = reads_locally(feed, data_root)
    source = expand(feed.local or "", day) if is_local else _public_source(feed, day)
    metadata = {"fetched_at": clock().isoformat(timespec="seconds")}
    try:
        if is_local and data_root is not None:
            return _fetched(feed, day, source, read_local(feed, day, data_root, limits, progress), metadata)
        if feed.url is None:
            raise PermanentFetchError("the feed has no url; give the data root that holds its `local` path")
        return _from_web(feed, day, source, metadata, previous, stored_bytes, access, limits, progress)
    except FetchError as error:
        return Fetched(Snapshot(feed.name, day, UNREADABLE, reason=str(error), source=source, metadata=metadata))


def reads_locally(feed: Feed, data_root: Path | None) -> bool:
    """True when the feed is read below the data root, false when from its URL."""
    return data_root is not None and feed.local is not None


def not_due_reason(feed: Feed) -> str:
    """Why a feed is not due, from its own dates."""
    since = f"from {feed.from_day}" if feed.from_day else ""
    until = f"until {feed.until_day}" if feed.until_day else ""
    return f"the source exists {' '.join(filter(None, (since, until)))}"


def _fetched(feed: Feed, day: date, source: str, files: Mapping[str, bytes], metadata: Mapping[str, str]) -> Fetched:
    contents = tuple(
        (SnapshotFile(name, hashlib.sha256(content).hexdigest(), len(content)), content)
        for name, content in sorted(files.items())
    )
    listed = tuple(file for file, _ in contents)
    snapshot = Snapshot(feed.name, day, READ, listed, snapshot_hash(listed), source=source, metadata=metadata)
    return Fetched(snapshot, contents)


def _public_source(feed: Feed, day: date) -> str:
    from intelsec_assets.feeds.web import public_url

    return public_url(expand(feed.url, day)) if feed.url else ""


def _from_web(
    feed: Feed,
    day: date,
    source: str,
    metadata: dict[str, str],
    previous: FetchState | None,
    stored_bytes: StoredBytes | None,
    access: WebAccess | None,
    limits: TransferLimits,
    progress: Progress | None,
) -> Fetched:
    from intelsec_assets.feeds.web import WebAccess, WebSession

    url = expand(feed.url or "", day)
    with WebSession(access or WebAccess(), limits, feed.credentials, progress) as session:
        if feed.format == "misp_feed":
            return _fetched(feed, day, source, _misp_folder(session, feed, day, url, limits), metadata)
        if feed.format == "taxii":
            return _fetched(feed, day, source, _taxii_pages(session, feed, day, url, limits), metadata)
        if "files" in feed.options:
            names = list(feed.options["files"])
            files = {name: _whole(session.get(url.replace("{file}", quote(name)), name)) for name in names}
            return _fetched(feed, day, source, files, metadata)
        return _one_file(session, feed, day, url, source, metadata, previous, stored_bytes)


def _one_file(
    session: WebSession,
    feed: Feed,
    day: date,
    url: str,
    source: str,
    metadata: dict[str, str],
    previous: FetchState | None,
    stored_bytes: StoredBytes | None,
) -> Fetched:
    name = urlsplit(url).path.rsplit("/", 1)[-1].removesuffix(".gz") or "index"
    known = _known_files(url, previous, stored_bytes)
    conditions: dict[str, str] = {}
    if known and previous is not None:
        conditions |= {"If-None-Match": previous.etag} if previous.etag else {}
        conditions |= {"If-Modified-Since": previous.last_modified} if previous.last_modified else {}
    answer = session.get(url, name, conditions)
    if answer.content is None and not conditions:
        raise PermanentFetchError(f"{source}: answered 304 to a request without conditions")
    fetched = _fetched(
        feed, day, source, known if answer.content is None else {name: answer.content}, _described(metadata, answer)
    )
    if answer.content is None and previous is not None:
        state = FetchState(
            url, answer.etag or previous.etag, answer.last_modified or previous.last_modified, previous.files
        )
    else:
        state = FetchState(url, answer.etag, answer.last_modified, fetched.snapshot.files)
    return Fetched(fetched.snapshot, fetched.contents, state)


def _known_files(url: str, previous: FetchState | None, stored_bytes: StoredBytes | None) -> dict[str, bytes]:
    """Content of the last answer of this very URL, if all of it is still stored; else nothing to be conditional on."""
    if previous is None or stored_bytes is None or previous.url != url:
        return {}
    try:
        return {file.name: stored_bytes(file.sha256) for file in previous.files}
    except RawStoreError:
        return {}


def _described(metadata: dict[str, str], answer: Answer) -> dict[str, str]:
    said = {"etag": answer.etag, "last_modified": answer.last_modified, "content_type": answer.content_type}
    return {**metadata, "http_status": str(answer.status), **{key: text for key, text in said.items() if text}}


def _misp_folder(session: WebSession, feed: Feed, day: date, url: str, limits: TransferLimits) -> dict[str, bytes]:
    """Manifest and events of a MISP feed folder; with `events: day` only the day's events."""
    base = url.removesuffix(MANIFEST).rstrip("/")
    files = {MANIFEST: _whole(session.get(f"{base}/{MANIFEST}", MANIFEST))}
    try:
        names = event_names(files[MANIFEST], day if feed.options.get("events") == "day" else None)
    except (ValueError, RecursionError) as error:
        raise PermanentFetchError(f"{MANIFEST}: not the manifest of a MISP feed: {error}") from None
    if len(names) >= limits.max_files:
        raise PermanentFetchError(
            f"{MANIFEST}: names {len(names):,} events, more than the {limits.max_files:,} allowed"
        )
    for name in names:
        files[name] = _whole(session.get(f"{base}/{name}", name))
    return files


def _taxii_pages(session: WebSession, feed: Feed, day: date, url: str, limits: TransferLimits) -> dict[str, bytes]:
    """Every page of a TAXII 2.1 collection's objects; an incremental feed asks from the day's begin on."""
    since = {"added_after": f"{day_start(day):%Y-%m-%dT%H:%M:%S.000Z}"} if feed.mode == "incremental" else {}
    pages: dict[str, bytes] = {}
    following: dict[str, str] = {}
    seen: set[str] = set()
    while True:
        if len(pages) >= limits.max_files:
            raise PermanentFetchError(f"more than the {limits.max_files:,} pages allowed")
        name = f"page-{len(pages):05d}.json"
        pages[name] = _whole(session.get(_with_query(url, {**since, **following}), name, {"Accept": TAXII_MEDIA_TYPE}))
        token = _next_page(name, pages[name])
        if token is None:
            return pages
        if token in seen:
            raise PermanentFetchError(f"{name}: names a next page that was read before")
        seen.add(token)
        following = {"next": token}


def _next_page(name: str, page: bytes) -> str | None:
    """Token of the next page; None after the last one, and for what is no envelope: the parser says what is wrong."""
    try:
        envelope = json.loads(page)
    except (ValueError, RecursionError):
        return None
    if not isinstance(envelope, dict) or envelope.get("more") is not True:
        return None
    token = envelope.get("next")
    if not isinstance(token, str) or not token:
        raise PermanentFetchError(f"{name}: says there is more but names no next page")
    return token


def _with_query(url: str, query: dict[str, str]) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **query})))


def _whole(answer: Answer) -> bytes:
    if answer.content is None:
        raise PermanentFetchError("answered 304 to a request without conditions")
    return answer.content
