"""Feeds over http against a real server on loopback: conditions, redirects, caps, retries, secrets. Nothing sleeps."""

from __future__ import annotations

import gzip
import json
import logging
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from intelsec_assets.feeds.address_guard import AddressGuard, system_resolve
from intelsec_assets.feeds.catalogue import Credentials, Feed
from intelsec_assets.feeds.fetch import Fetched, fetch
from intelsec_assets.feeds.snapshot import FetchState, RawStore
from intelsec_assets.feeds.take import take_snapshot
from intelsec_assets.feeds.transfer import TransferLimits
from intelsec_assets.feeds.web import WebAccess

DAY = date(2026, 3, 4)
NOW = datetime(2026, 3, 5, 1, tzinfo=UTC)  # the run of a day starts after its end
LIMITS = TransferLimits(max_file_bytes=2_000_000, read_timeout=2.0, connect_timeout=2.0, deadline=20.0)
SECRET = "k3y-never-shown"

Page = Callable[[BaseHTTPRequestHandler], None]


def page(body: bytes = b"", status: int = 200, **headers: str) -> Page:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


@dataclass
class Site:
    """A server whose pages a test lays down: a path has one page, or several that are answered in turn."""

    server: ThreadingHTTPServer
    pages: dict[str, list[Page]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lay(self, path: str, *pages: Page) -> str:
        self.pages[path] = list(pages)
        return self.url + path

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            laid.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            pages = laid.pages.get(urlsplit(self.path).path, [page(b"not found", 404)])
            (pages.pop(0) if len(pages) > 1 else pages[0])(self)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        laid = Site(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield laid
        laid.stop.set()
        server.shutdown()


@dataclass
class Waits:
    """A sleep that takes no time and remembers how long it should have been."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def access(waits: Waits | None = None, *, allowed: tuple[str, ...] = ("127.0.0.0/8",), **keys) -> WebAccess:
    guard = keys.pop("guard", AddressGuard(allowed))
    return WebAccess(guard=guard, env=keys.pop("env", {}), sleep=waits or Waits(), now=lambda: NOW, **keys)


def feed(url: str, wire_format: str = "plain", **keys) -> Feed:
    return Feed(name="f", title="F", publisher="P", licence="CC0-1.0", url=url, format=wire_format, **keys)


def get(url: str, wire_format: str = "plain", limits: TransferLimits = LIMITS, **keys) -> Fetched:
    edge = keys.pop("access", None) or access()
    known = {name: keys.pop(name) for name in ("previous", "stored_bytes") if name in keys}
    return fetch(
        feed(url, wire_format, **keys), DAY, data_root=None, clock=lambda: NOW, access=edge, limits=limits, **known
    )


def reason(*args, **keys) -> str:
    fetched = get(*args, **keys)
    assert (fetched.snapshot.status, fetched.contents) == ("unreadable", ())
    return fetched.snapshot.reason


def test_a_list_is_fetched_with_its_day_in_the_url(site):
    site.lay("/2026-03-04.txt", page(b"a.example\n", ETag='"1"', Content_Type="text/plain"))
    fetched = get(site.url + "/{day}.txt?token=x")
    assert fetched.contents[0][1] == b"a.example\n"
    assert (fetched.snapshot.status, fetched.snapshot.files[0].name) == ("read", "2026-03-04.txt")
    assert fetched.snapshot.source == f"{site.url}/2026-03-04.txt"
    assert fetched.snapshot.metadata == {
        "fetched_at": "2026-03-05T01:00:00+00:00",
        "etag": '"1"',
        "content_type": "text/plain",
        "http_status": "200",
    }


def test_an_html_page_is_bytes_like_any_other_for_the_parser_to_judge(site):
    assert get(site.lay("/list.txt", page(b"<html>Sorry</html>"))).contents[0][1] == b"<html>Sorry</html>"


def test_what_has_not_changed_is_not_sent_again_and_the_stored_bytes_count(site, tmp_path):
    store = RawStore(tmp_path)
    url = site.lay("/list.txt", page(b"a.example\n", ETag='"1"', Last_Modified="Wed, 04 Mar 2026 10:00:00 GMT"))
    first = get(url)
    store.put(first.contents[0][1])
    site.lay("/list.txt", page(status=304))
    second = get(url, previous=first.state, stored_bytes=store.get)
    sent = site.requests[-1][1]
    assert (sent["if-none-match"], sent["if-modified-since"]) == ('"1"', "Wed, 04 Mar 2026 10:00:00 GMT")
    assert (second.contents, second.snapshot.sha256) == (first.contents, first.snapshot.sha256)
    assert second.state == first.state
    assert second.snapshot.metadata["http_status"] == "304"


def test_no_condition_is_sent_for_bytes_that_are_lost_or_of_another_url(site, tmp_path):
    url = site.lay("/list.txt", page(b"a.example\n", ETag='"1"'))
    state = get(url).state
    get(url, previous=state, stored_bytes=RawStore(tmp_path).get)
    store = RawStore(tmp_path)
    store.put(b"a.example\n")
    get(url, previous=FetchState(url + "?other", '"1"', None, state.files), stored_bytes=store.get)
    assert all("if-none-match" not in headers for _, headers in site.requests)


def test_not_modified_without_having_asked_is_an_error(site):
    assert "answered 304 to a request without conditions" in reason(site.lay("/list.txt", page(status=304)))


def test_a_redirect_is_followed_and_its_target_checked(site):
    site.lay("/new.txt", page(b"a.example\n"))
    assert get(site.lay("/old.txt", page(status=302, Location="/new.txt"))).contents[0][1] == b"a.example\n"


def test_a_redirect_to_a_private_address_is_refused(site):
    for target in ("http://10.0.0.1/x", "http://169.254.169.254/latest/meta-data/", "http://[::ffff:10.0.0.1]/"):
        told = reason(site.lay("/old.txt", page(status=302, Location=target)))
        assert "add its network to INTELSEC_ALLOWED_NETWORKS" in told
    assert "only http and https" in reason(site.lay("/old.txt", page(status=302, Location="file:///etc/passwd")))
    assert "user name" in reason(site.lay("/old.txt", page(status=302, Location="http://u:p@127.0.0.1/")))


def test_a_loop_of_redirects_ends(site):
    assert "more than 5 redirects" in reason(site.lay("/a", page(status=301, Location="/a")))
    assert len(site.requests) == 6


def test_loopback_is_refused_unless_listed(site):
    told = reason(site.lay("/list.txt", page(b"x")), access=access(allowed=()))
    assert "its address 127.0.0.1 is loopback" in told
    assert site.requests == []


def test_the_connection_goes_to_the_address_that_was_checked(site):
    """The second answer of the name server leads to a private address; nobody asks it a second time."""
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers.pop(0)

    guard = AddressGuard(["127.0.0.1/32"], resolve=resolve)
    site.lay("/list.txt", page(b"a.example\n"))
    fetched = get(f"http://feed.example:{site.port}/list.txt", access=access(guard=guard))
    assert fetched.snapshot.status == "read"
    assert asked == ["feed.example"]
    assert site.requests[0][1]["host"] == f"feed.example:{site.port}"


def test_the_next_address_is_tried_when_one_does_not_answer(site):
    guard = AddressGuard(["127.0.0.0/8"], resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"])
    site.lay("/list.txt", page(b"a.example\n"))
    assert get(f"http://feed.example:{site.port}/list.txt", access=access(guard=guard)).snapshot.status == "read"


def test_gzip_is_undone_on_the_way_and_in_the_file(site):
    body = b"a.example\n" * 50
    encoded = site.lay("/list.txt", page(gzip.compress(body), Content_Encoding="gzip"))
    packed = site.lay("/list.txt.gz", page(gzip.compress(body)))
    assert [get(url).contents[0][1] for url in (encoded, packed)] == [body, body]
    assert get(packed).snapshot.files[0].name == "list.txt"


def test_a_gzip_bomb_is_stopped_on_the_way_and_in_the_file(site):
    bomb = gzip.compress(b"\0" * 50_000_000)
    roomy = TransferLimits(deadline=20.0)
    assert "gzip bomb" in reason(site.lay("/list.txt", page(bomb, Content_Encoding="gzip")), limits=roomy)
    assert "gzip bomb" in reason(site.lay("/list.txt.gz", page(bomb)), limits=roomy)


def test_a_body_that_is_too_large_is_not_taken_in(site):
    assert "larger than the 2,000,000 bytes" in reason(site.lay("/list.txt", page(b"x" * 2_000_001)))


def test_an_encoding_nobody_asked_for_is_refused(site):
    assert "content-encoding 'br'" in reason(site.lay("/list.txt", page(b"x", Content_Encoding="br")))


def test_a_body_that_is_cut_off_is_tried_again_and_never_taken_for_the_whole(site):
    def cut(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"a.example\n")

    waits = Waits()
    told = reason(site.lay("/list.txt", cut), access=access(waits))
    assert "the answer was cut off" in told
    assert (len(site.requests), len(waits.seconds)) == (4, 3)
    assert get(site.lay("/list.txt", cut, page(b"whole"))).contents[0][1] == b"whole"


def test_a_truncated_gzip_answer_is_told(site):
    cut = gzip.compress(bytes(range(256)) * 100)[:-30]
    assert "truncated gzip" in reason(site.lay("/list.txt", page(cut, Content_Encoding="gzip")))


def test_transient_failures_are_tried_again_with_growing_waits(site):
    waits = Waits()
    url = site.lay("/list.txt", page(status=503), page(status=500), page(status=502), page(b"a.example\n"))
    assert get(url, access=access(waits), limits=TransferLimits(deadline=600)).snapshot.status == "read"
    assert [floor <= wait <= floor + 1 for floor, wait in zip((1, 2, 4), waits.seconds, strict=True)] == [True] * 3


def test_after_the_last_attempt_the_failure_is_told(site):
    told = reason(site.lay("/list.txt", page(status=503)))
    assert told == f"{site.url}/list.txt: answered 503 Service Unavailable"
    assert len(site.requests) == 4


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("7", 7.0), ("Thu, 05 Mar 2026 01:00:30 GMT", 30.0), ("99999", 120.0), ("-3", None), ("soon", None)],
)
def test_a_server_says_how_long_to_wait_within_reason(site, asked, waited):
    waits = Waits()
    url = site.lay("/list.txt", page(status=429, Retry_After=asked), page(b"a.example\n"))
    assert get(url, access=access(waits), limits=TransferLimits(deadline=600)).snapshot.status == "read"
    assert len(waits.seconds) == 1
    assert waits.seconds[0] == waited if waited is not None else 1 <= waits.seconds[0] <= 2


@pytest.mark.parametrize(
    ("status", "words"), [(404, "has moved"), (403, "not accepted"), (401, "credentials"), (410, "")]
)
def test_a_permanent_failure_is_not_tried_again(site, status, words):
    told = reason(site.lay("/list.txt", page(status=status)))
    assert f"answered {status}" in told
    assert words in told
    assert len(site.requests) == 1


def drip(start: bytes, site: Site) -> Page:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(start)
        while not site.stop.wait(0.01):
            try:
                request.wfile.write(b"x")
            except OSError:
                return

    return answer


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: "])
def test_a_server_that_drips_is_cut_off_at_the_deadline(site, start):
    told = reason(site.lay("/list.txt", drip(start, site)), limits=TransferLimits(deadline=0.3))
    assert told == "not done within the 0.3 seconds allowed"


def test_a_silent_server_is_given_up_after_the_deadline(site):
    url = site.lay("/list.txt", lambda request: site.stop.wait())
    assert reason(url, limits=TransferLimits(deadline=0.2)) == "not done within the 0.2 seconds allowed"


def test_a_wait_that_would_pass_the_deadline_is_not_begun(site):
    waits = Waits()
    told = reason(site.lay("/list.txt", page(status=429, Retry_After="60")), access=access(waits))
    assert "waiting 60 s more would pass the deadline" in told
    assert waits.seconds == []


def test_nobody_listening_is_tried_again_and_told(site):
    waits = Waits()
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_address[1]
    assert "the connection failed" in reason(f"http://127.0.0.1:{port}/x", access=access(waits))
    assert len(waits.seconds) == 3


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the certificate is made by openssl")
def test_certificates_are_verified_for_the_name_and_not_the_address(site, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout {key} -out {certificate} -subj /CN=feed.example"
    subprocess.run([*made.split(), "-addext", "subjectAltName=DNS:feed.example"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    site.lay("/list.txt", page(b"a.example\n"))
    edge = access(guard=AddressGuard(["127.0.0.0/8"], resolve=lambda host, port: ["127.0.0.1"]))
    assert "TLS certificate refused" in reason(f"https://feed.example:{site.port}/list.txt", access=edge)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert get(f"https://feed.example:{site.port}/list.txt", access=edge).snapshot.status == "read"
    assert "TLS certificate refused" in reason(f"https://other.example:{site.port}/list.txt", access=edge)


def test_a_server_without_tls_fails_for_good(site):
    assert "TLS failed" in reason(f"https://127.0.0.1:{site.port}/x")


def test_credentials_go_into_the_request_and_nowhere_else(site, caplog):
    caplog.set_level(logging.DEBUG)
    edge = access(env={"FEED_KEY": SECRET})
    credentials = Credentials("Auth-Key", "FEED_KEY")
    good = get(site.lay("/list.txt", page(b"a.example\n")), access=edge, credentials=credentials)
    assert site.requests[0][1]["auth-key"] == SECRET
    bad = get(site.url + "/gone", access=edge, credentials=credentials)
    assert SECRET not in repr((good, bad, edge)) + caplog.text


def test_credentials_are_not_handed_to_whom_a_redirect_names(site):
    site.lay("/new.txt", page(b"a.example\n"))
    url = site.lay("/old.txt", page(status=302, Location=f"http://localhost:{site.port}/new.txt"))
    edge = access(
        env={"FEED_KEY": SECRET},
        guard=AddressGuard(["127.0.0.0/8"], lambda host, port: system_resolve("127.0.0.1", port)),
    )
    assert get(url, access=edge, credentials=Credentials("Auth-Key", "FEED_KEY")).snapshot.status == "read"
    assert ["auth-key" in headers for _, headers in site.requests] == [True, False]


@pytest.mark.parametrize("value", [None, "", "bad\r\nX: y"])
def test_missing_or_broken_credentials_are_told_by_the_name_of_the_variable(site, value):
    edge = access(env={} if value is None else {"FEED_KEY": value})
    told = reason(site.lay("/list.txt", page(b"x")), access=edge, credentials=Credentials("Auth-Key", "FEED_KEY"))
    assert "the environment variable FEED_KEY" in told
    assert "bad" not in told
    assert site.requests == []


def test_a_misp_folder_is_fetched_by_its_manifest(site):
    one, two = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    manifest = {one: {"date": "2026-03-04"}, two: {"date": "2026-03-03"}}
    site.lay("/misp/manifest.json", page(json.dumps(manifest).encode()))
    site.lay(f"/misp/{one}.json", page(b'{"Event": {}}'))
    fetched = get(site.url + "/misp/", "misp_feed", options={"events": "day"})
    assert [file.name for file, _ in fetched.contents] == [f"{one}.json", "manifest.json"]
    assert "answered 404" in reason(site.url + "/misp/manifest.json", "misp_feed")
    site.lay("/misp/manifest.json", page(b'{"../../x": {}}'))
    assert "not the manifest of a MISP feed" in reason(site.url + "/misp", "misp_feed")


def test_every_page_of_a_taxii_collection_is_fetched(site):
    pages = {None: {"more": True, "next": "b c", "objects": [1]}, "b c": {"more": False, "objects": [2]}}

    def answer(request: BaseHTTPRequestHandler) -> None:
        token = parse_qs(urlsplit(request.path).query).get("next", [None])[0]
        page(json.dumps(pages[token]).encode())(request)

    fetched = get(site.lay("/objects/", answer), "taxii", mode="incremental")
    assert [(file.name, json.loads(body)["objects"]) for file, body in fetched.contents] == [
        ("page-00000.json", [1]),
        ("page-00001.json", [2]),
    ]
    assert site.paths()[0] == "/objects/?added_after=2026-03-04T00%3A00%3A00.000Z"
    assert site.requests[0][1]["accept"] == "application/taxii+json;version=2.1"


def test_a_taxii_server_that_turns_in_circles_is_left(site):
    url = site.lay("/objects/", page(b'{"more": true, "next": "a", "objects": []}'))
    assert "names a next page that was read before" in reason(url, "taxii")


def test_listed_files_are_fetched_one_by_one(site):
    site.lay("/a/x.json", page(b"1"))
    site.lay("/b/y.json", page(b"2"))
    fetched = get(site.url + "/{file}", "misp_event", options={"files": ["b/y.json", "a/x.json"]})
    assert [(file.name, body) for file, body in fetched.contents] == [("a/x.json", b"1"), ("b/y.json", b"2")]


class States:
    """Fetch states in a dictionary."""

    def __init__(self) -> None:
        self.known: dict[str, FetchState] = {}

    def fetch_state(self, name: str) -> FetchState | None:
        return self.known.get(name)

    def save_fetch_state(self, name: str, state: FetchState) -> None:
        self.known[name] = state


def take(url: str, root: Path, day: date = DAY, now: datetime = NOW, states: States | None = None):
    store, edge = RawStore(root), access()
    return take_snapshot(
        feed(url), day, store, None, clock=lambda: now, fetch_states=states, access=edge, limits=LIMITS
    )


def test_a_day_that_is_stored_is_never_fetched_again(site, tmp_path):
    url = site.lay("/list.txt", page(b"a.example\n"))
    first = take(url, tmp_path)
    site.lay("/list.txt", page(b"b.example\n"))
    assert take(url, tmp_path, now=datetime(2026, 4, 1, tzinfo=UTC)) == first
    assert len(site.requests) == 1


def test_a_failed_day_is_tried_again_while_its_source_still_shows_it(site, tmp_path):
    url = site.lay("/list.txt", page(status=404), page(b"a.example\n"))
    assert take(url, tmp_path).status == "unreadable"
    assert take(url, tmp_path).status == "read"


def test_the_next_day_asks_only_for_what_changed(site, tmp_path):
    states = States()
    url = site.lay("/list.txt", page(b"a.example\n", ETag='"1"'), page(status=304))
    first = take(url, tmp_path, states=states)
    second = take(url, tmp_path, date(2026, 3, 5), datetime(2026, 3, 6, 1, tzinfo=UTC), states)
    assert (first.sha256, second.status) == (second.sha256, "read")
    assert site.requests[1][1]["if-none-match"] == '"1"'


def test_a_past_day_is_not_filled_with_the_bytes_of_today(site, tmp_path):
    url = site.lay("/list.txt", page(b"a.example\n"))
    late = take(url, tmp_path, now=datetime(2026, 3, 6, tzinfo=UTC))
    assert (late.status, site.requests) == ("unreadable", [])
    assert "shows the current state only" in late.reason
    assert "has not begun" in take(url, tmp_path, date(2026, 3, 9)).reason
    site.lay("/2026-03-04.txt", page(b"a.example\n"))
    assert take(site.url + "/{day}.txt", tmp_path, now=datetime(2026, 4, 1, tzinfo=UTC)).status == "read"
