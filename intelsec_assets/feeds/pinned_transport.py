"""httpx over connections that go to checked addresses only and never outlast a deadline.

Which addresses those are is `address_guard`; what is asked over the connections is `web`.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable, Iterator

import httpcore
import httpx

from intelsec_assets.feeds.address_guard import AddressGuard


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only; host name, certificate and SNI stay those of the URL."""

    def __init__(self, guard: AddressGuard, remaining: Callable[[], float]) -> None:
        self._guard, self._remaining = guard, remaining
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: object = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first checked address that answers."""
        addresses = self._guard.addresses(host, port)
        for position, address in enumerate(addresses):
            try:
                stream = self._sockets.connect_tcp(address, port, min(timeout or math.inf, self._remaining()))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses) - 1:
                    raise
            else:
                return _TimedStream(stream, self._remaining)
        raise httpcore.ConnectError("no address")

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: object = None,
    ) -> httpcore.NetworkStream:
        """Feeds never come from a local socket."""
        raise httpcore.ConnectError(f"refused: {path}")

    def sleep(self, seconds: float) -> None:
        """Waiting between attempts is the session's."""


class _TimedStream(httpcore.NetworkStream):
    """A connection none of whose reads outlasts the deadline, not even headers that drip in byte by byte."""

    def __init__(self, stream: httpcore.NetworkStream, remaining: Callable[[], float]) -> None:
        self._stream, self._remaining = stream, remaining

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Bytes that have come in."""
        return self._stream.read(max_bytes, min(timeout or math.inf, self._remaining()))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes."""
        self._stream.write(buffer, min(timeout or math.inf, self._remaining()))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same over TLS."""
        limit = min(timeout or math.inf, self._remaining())
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, limit), self._remaining)

    def get_extra_info(self, info: str) -> object:
        """What the connection knows about itself."""
        return self._stream.get_extra_info(info)


class _ResponseBody(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        """Chunks as they come in."""
        yield from self._response.iter_stream()

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()


class PinnedTransport(httpx.BaseTransport):
    """httpx over a pool of httpcore whose connections the backend above makes; certificates are verified."""

    def __init__(self, guard: AddressGuard, remaining: Callable[[], float]) -> None:
        backend = _GuardedBackend(guard, remaining)
        self._pool = httpcore.ConnectionPool(ssl_context=httpx.create_ssl_context(), network_backend=backend)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange. Raises httpcore's errors."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        answer = self._pool.handle_request(
            httpcore.Request(request.method, url, headers=request.headers.raw, extensions=request.extensions)
        )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_ResponseBody(answer), extensions=answer.extensions
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
