"""Feeds read over http(s): checked addresses, redirects by hand, conditional requests, retries, caps on size and time.

Credentials come from the environment and go into the request only; no message, log or record holds them.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self, TypeAlias
from urllib.parse import urlsplit

import httpcore
import httpx
import tenacity

from intelsec_assets.feeds.address_guard import AddressGuard
from intelsec_assets.feeds.catalogue import Credentials
from intelsec_assets.feeds.pinned_transport import PinnedTransport
from intelsec_assets.feeds.transfer import (
    GunzipStream,
    PermanentFetchError,
    Progress,
    SizedBuffer,
    TransferLimits,
    TransientFetchError,
    gunzip,
)

USER_AGENT = "intelsec/0.1 (threat intelligence pipeline)"
Headers: TypeAlias = dict[str, str]

_REDIRECTS = (301, 302, 303, 307, 308)
_RETRIED = (408, 425, 429, 500, 502, 503, 504)
_NETWORK_ERRORS = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpx.TransportError)


@dataclass(frozen=True)
class WebAccess:
    """The live edge of http: which addresses, whose credentials, how to wait. Tests put their own in place."""

    guard: AddressGuard = field(default_factory=AddressGuard)
    env: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True)
class Answer:
    """One good answer: the content with all encodings undone, or `content=None` for "not modified"."""

    url: str
    status: int
    content: bytes | None
    etag: str | None
    last_modified: str | None
    content_type: str


def public_url(url: str) -> str:
    """A URL without user, query and fragment, any of which may hold a secret."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{parts.port}' if parts.port else ''}{parts.path}"


class WebSession:
    """Requests of one feed within one deadline and one total size."""

    def __init__(
        self,
        access: WebAccess,
        limits: TransferLimits,
        credentials: Credentials | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._access, self._limits, self._progress = access, limits, progress
        self._secret = _secret_header(credentials, access.env)
        self._ends = access.monotonic() + limits.deadline
        self.budget = limits.max_total_bytes
        self._client = httpx.Client(
            transport=PinnedTransport(access.guard, self._remaining),
            timeout=httpx.Timeout(limits.read_timeout, connect=limits.connect_timeout),
            follow_redirects=False,
            trust_env=False,  # a proxy would resolve names itself, past the guard
        )

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self._client.close()

    def get(self, url: str, name: str, headers: Headers | None = None) -> Answer:
        """One resource, tried again on transient failures. Raises FetchError: permanent, or the last transient one."""
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._limits.attempts),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(TransientFetchError),
            sleep=self._access.sleep,
            reraise=True,
        )
        answer = retrying(self._follow, url, name, headers or {})
        self.budget -= len(answer.content or b"")
        return answer

    def _remaining(self) -> float:
        """Seconds to the deadline. Raises PermanentFetchError after it: whatever follows would be late too."""
        remaining = self._ends - self._access.monotonic()
        if remaining <= 0:
            raise PermanentFetchError(f"not done within the {self._limits.deadline:g} seconds allowed")
        return remaining

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, TransientFetchError) else None
        backoff: float = tenacity.wait_exponential_jitter(initial=1, max=30, jitter=1)(state)
        wait = min(max(asked, 0.0), self._limits.max_retry_after) if asked is not None else backoff
        if wait >= self._remaining():
            raise PermanentFetchError(f"{error}; waiting {wait:.0f} s more would pass the deadline") from error
        return wait

    def _follow(self, url: str, name: str, headers: Headers) -> Answer:
        origin = _origin(url)
        for _ in range(self._limits.max_redirects + 1):
            _check_url(url)
            sent = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip", **headers}
            if _origin(url) == origin:
                sent |= self._secret  # never handed to whom a redirect names
            answer = self._once(url, name, sent)
            if isinstance(answer, Answer):
                return answer
            if urlsplit(url).scheme == "https" and urlsplit(answer).scheme == "http":
                raise PermanentFetchError(f"{public_url(url)}: redirects to unencrypted {public_url(answer)}")
            url = answer
        raise PermanentFetchError(f"{public_url(url)}: more than {self._limits.max_redirects} redirects")

    def _once(self, url: str, name: str, headers: Headers) -> Answer | str:
        """The answer to one request, or where it redirects to."""
        timeout = {
            "connect": min(self._limits.connect_timeout, self._remaining()),
            "read": min(self._limits.read_timeout, self._remaining()),
        }
        request = self._client.build_request("GET", url, headers=headers)
        request.extensions = {"timeout": {**timeout, "write": timeout["read"], "pool": timeout["connect"]}}
        try:
            with closing(self._client.send(request, stream=True)) as response:
                return self._read(response, url, name)
        except _NETWORK_ERRORS as error:
            self._remaining()  # a read cut short by the deadline is not a slow server
            raise _network_failure(url, error) from None

    def _read(self, response: httpx.Response, url: str, name: str) -> Answer | str:
        status, shown = response.status_code, public_url(url)
        if status in _REDIRECTS:
            location = response.headers.get("location")
            if not location:
                raise PermanentFetchError(f"{shown}: answered {status} without saying where to")
            try:
                return str(httpx.URL(url).join(location))
            except httpx.InvalidURL:
                raise PermanentFetchError(f"{shown}: redirects to what is no URL") from None
        if status in _RETRIED:
            retry_after = _retry_after(response.headers.get("retry-after"), self._access.now)
            raise TransientFetchError(f"{shown}: answered {status} {response.reason_phrase}".strip(), retry_after)
        if status not in (200, 304):
            raise PermanentFetchError(f"{shown}: answered {status} {response.reason_phrase}{_hint(status)}")
        return Answer(
            url=url,
            status=status,
            content=None if status == 304 else self._content(response, url, name),
            etag=response.headers.get("etag"),
            last_modified=response.headers.get("last-modified"),
            content_type=response.headers.get("content-type", ""),
        )

    def _content(self, response: httpx.Response, url: str, name: str) -> bytes:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", ""):
            raise PermanentFetchError(f"{public_url(url)}: content-encoding {encoding[:40]!r}; only gzip was asked for")
        buffer = SizedBuffer(name, self._limits, self.budget)
        unzip = GunzipStream(name, buffer, self._limits) if "gzip" in encoding else None
        for chunk in response.iter_raw():
            self._remaining()
            if unzip is not None:
                unzip.feed(chunk)
            else:
                buffer.add(chunk)
            if self._progress is not None:
                self._progress(name, buffer.size)
        if unzip is not None:
            unzip.finish()
        content = buffer.content()
        return gunzip(name, content, self._limits, self.budget) if urlsplit(url).path.endswith(".gz") else content


def _secret_header(credentials: Credentials | None, env: Mapping[str, str]) -> Headers:
    if credentials is None:
        return {}
    value = env.get(credentials.env, "")
    if not value:
        raise PermanentFetchError(
            f"the environment variable {credentials.env}, which holds the credentials, is not set"
        )
    if not value.isascii() or not value.isprintable():
        raise PermanentFetchError(f"the environment variable {credentials.env} holds what cannot go into a header")
    return {credentials.header: value}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise PermanentFetchError("not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PermanentFetchError(f"{parts.scheme[:20] or 'no scheme'}: only http and https URLs are fetched")
    if parts.username is not None or parts.password is not None:
        raise PermanentFetchError(f"{public_url(url)}: a URL with a user name is refused; use `credentials`")


def _network_failure(url: str, error: Exception) -> PermanentFetchError | TransientFetchError:
    shown = public_url(url)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return PermanentFetchError(f"{shown}: TLS certificate refused: {cause.verify_message}")
        if isinstance(cause, ssl.SSLError):
            return PermanentFetchError(f"{shown}: TLS failed: {cause.reason or type(cause).__name__}")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpcore.TimeoutException):
        return TransientFetchError(f"{shown}: no answer in time")
    if isinstance(error, httpcore.UnsupportedProtocol | httpcore.LocalProtocolError):
        return PermanentFetchError(f"{shown}: the request cannot be made")
    if isinstance(error, httpcore.ProtocolError):
        return TransientFetchError(f"{shown}: the answer was cut off or is not HTTP")
    return TransientFetchError(f"{shown}: the connection failed")


def _retry_after(text: str | None, now: Callable[[], datetime]) -> float | None:
    """Seconds a server asks to wait, given as seconds or as a date (RFC 9110 section 10.2.3)."""
    if text is None:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return float(text.strip()[:9])
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return (until.replace(tzinfo=until.tzinfo or UTC) - now()).total_seconds()


def _hint(status: int) -> str:
    hints = {401: "; it wants credentials", 403: "; the credentials are missing or not accepted", 404: "; it has moved"}
    return hints.get(status, "")
