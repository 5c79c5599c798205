"""Pushing a plan to a MISP server that answers as the recorded one did: real HTTP, the real store as ledger."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.exports import misp_client, misp_event
from intelsec_assets.exports.content import PlanRow
from intelsec_assets.exports.errors import PushRefused, PushUnavailable
from intelsec_assets.exports.events import attribute_uuid, event_uuid
from intelsec_assets.exports.misp_client import MispClient, MispServer
from intelsec_assets.exports.misp_push import PushResult, Surroundings, push
from intelsec_assets.records import ACTIVE, WITHDRAWN
from intelsec_assets.resources.store import Store
from tests.doubles.misp_server import FAULTS, KEY, MispDouble, misp_double
from tests.doubles.misp_state import Attribute
from tests.plans import DAY, plan_row, plan_table
from tests.searching import examples

EVENT = event_uuid("phishing/2026-03")
NEXT = DAY + timedelta(days=1)


class Clock:
    """A clock that goes on one second whenever it is looked at."""

    def __init__(self) -> None:
        self.seconds = int(datetime(2026, 3, 6, 5, tzinfo=UTC).timestamp())

    def __call__(self) -> datetime:
        self.seconds += 1
        return datetime.fromtimestamp(self.seconds, UTC)


@pytest.fixture
def server() -> Iterator[MispDouble]:
    clock = Clock()
    with misp_double(now=lambda: int(clock().timestamp())) as double:
        yield double


@pytest.fixture
def ledger(tmp_path: Path, made_store: Path) -> Iterator[Store]:
    with opened(tmp_path / "store.sqlite", made_store) as store:
        yield store


def opened(file: Path, made_store: Path) -> Store:
    """A new store in this file."""
    shutil.copy(made_store, file)
    return Store.open(f"sqlite:///{file}")


def pushed(
    rows: list[PlanRow],
    server: MispDouble,
    ledger: Store,
    *,
    day=DAY,
    waits: list[float] | None = None,
    verify: bool = False,
    attempts: int = 6,
    publish: bool = True,
) -> PushResult:
    client = MispClient(MispServer(server.url, KEY, publish=publish), timeout=(5.0, 5.0))
    around = Surroundings(
        clock=Clock(), sleep=(waits if waits is not None else []).append, chance=lambda: 0.5, attempts=attempts
    )
    return push(plan_table(rows), day, ledger, client, around, verify=verify)


def held(server: MispDouble, event: str = EVENT) -> dict[str, Attribute]:
    """Attributes of an event that are not deleted, by value."""
    return {a.value: a for a in server.misp.events[event].attributes.values() if not a.deleted}


def written(ledger: Store, *days: date) -> list[tuple[date, str, str, str, str]]:
    """What the log says was written, in the order of indicators."""
    writes = [write for day in days or (DAY, NEXT) for write in ledger.writes(day)]
    return sorted((w.day, w.indicator_id, w.action, w.event, w.content_hash) for w in writes)


def domains(count: int, **fields: object) -> list[PlanRow]:
    return [plan_row(f"h{n:05d}.example.org", **fields) for n in range(count)]


def test_five_thousand_attributes_take_eleven_requests_and_the_next_run_none(server: MispDouble, ledger: Store) -> None:
    first = pushed(domains(5000), server, ledger)
    assert (first.added, first.quarantined, len(held(server))) == (5000, 0, 5000)
    assert first.calls == len(server.requests) == 11
    second = pushed(domains(5000), server, ledger, day=NEXT)
    assert (second.unchanged, second.calls, second.writes) == (5000, 0, 0)
    assert len(server.requests) == 11


def test_an_attribute_arrives_with_everything_the_plan_says(server: MispDouble, ledger: Store) -> None:
    row = plan_row(
        "bad.example.org", families=("Emotet",), campaign="Spring", sources=("feed-a", "feed-b"), tlp="green"
    )
    pushed([row], server, ledger)
    event = server.misp.events[EVENT]
    assert (event.info, event.date, event.published, set(event.tags)) == (
        "intelsec: phishing 2026-03", "2026-03-01", True, {"tlp:green"},
    )  # fmt: skip
    attribute = held(server)["bad.example.org"]
    assert (attribute.type, attribute.category, attribute.to_ids) == ("domain", "Network activity", True)
    assert (attribute.comment, attribute.first_seen) == ("feeds: feed-a, feed-b", "2026-03-01T12:30:00.000000+00:00")
    assert set(attribute.tags) == {
        "tlp:green",
        'admiralty-scale:source-reliability="b"',
        'intelsec:score="high"',
        'intelsec:threat-type="phishing"',
        'intelsec:malware-family="Emotet"',
        'intelsec:campaign="Spring"',
    }


def test_a_changed_score_replaces_its_tag_and_leaves_those_of_analysts(server: MispDouble, ledger: Store) -> None:
    row = plan_row("bad.example.org")
    pushed([row], server, ledger)
    attribute = held(server)["bad.example.org"]
    server.misp.make_tag("workflow:done")
    attribute.tags["workflow:done"] = False
    result = pushed([plan_row("bad.example.org", score_band="medium", changed_on=NEXT)], server, ledger, day=NEXT)
    assert result.updated == 1
    tags = set(held(server)["bad.example.org"].tags)
    assert 'intelsec:score="medium"' in tags
    assert 'intelsec:score="high"' not in tags
    assert "workflow:done" in tags
    assert server.misp.events[EVENT].published


def test_withdrawn_indicators_are_deleted_and_come_back_under_the_same_uuid(server: MispDouble, ledger: Store) -> None:
    rows = domains(3)
    pushed(rows, server, ledger)
    gone = replace(rows[0], state="withdrawn", action="withdraw", changed_on=NEXT)
    result = pushed([gone, *rows[1:]], server, ledger, day=NEXT)
    assert (result.withdrawn, result.unchanged) == (1, 2)
    assert rows[0].value not in held(server)
    assert ledger.confirmed("misp")[rows[0].indicator_id].state == WITHDRAWN
    back = pushed(rows, server, ledger, day=NEXT + timedelta(days=1))
    assert (back.added, back.unchanged) == (1, 2)
    assert held(server)[rows[0].value].uuid == attribute_uuid(rows[0].event, rows[0].indicator_id)
    assert len(server.misp.events[EVENT].attributes) == 3


def test_what_vanished_from_the_plan_while_the_server_was_away_is_deleted_too(
    server: MispDouble, ledger: Store
) -> None:
    rows = domains(3)
    pushed(rows, server, ledger)
    pushed(rows[:1], server, ledger, day=NEXT)
    assert set(held(server)) == {rows[0].value}


def test_a_value_that_moves_to_another_spelling_is_deleted_before_it_is_added(
    server: MispDouble, ledger: Store
) -> None:
    upper = plan_row("http://c.example/A", "url")
    lower = plan_row("http://c.example/a", "url")
    first, second = sorted((upper, lower), key=lambda row: row.indicator_id)
    result = pushed([first, second], server, ledger)
    assert (result.added, result.merged, set(held(server))) == (1, 1, {first.value})
    pushed([replace(first, state="withdrawn"), second], server, ledger, day=NEXT)
    assert set(held(server)) == {second.value}


def test_a_refused_row_is_quarantined_in_the_servers_words_and_skipped_until_it_changes(
    server: MispDouble, ledger: Store
) -> None:
    bad, good = plan_row("localhost"), plan_row("fine.example.org")
    result = pushed([bad, good], server, ledger)
    assert (result.added, result.quarantined, set(held(server))) == (1, 1, {good.value})
    assert "Domain has an invalid format" in ledger.quarantined("misp")[bad.indicator_id].reason
    assert bad.indicator_id not in ledger.confirmed("misp")
    before = len(server.requests)
    again = pushed([bad, good], server, ledger, day=NEXT)
    assert (again.quarantined, again.calls, len(server.requests)) == (1, 0, before)
    changed = plan_row("localhost", score_band="low")
    assert pushed([changed, good], server, ledger, day=NEXT).calls > 0


def test_a_value_an_analyst_added_by_hand_is_reported_not_doubled(server: MispDouble, ledger: Store) -> None:
    pushed(domains(1), server, ledger)
    event = server.misp.events[EVENT]
    server.misp.add_attributes(event, {"type": "domain", "value": "hand.example.org"}, may_create_tags=True)
    row = plan_row("hand.example.org")
    result = pushed([*domains(1), row], server, ledger)
    assert result.quarantined == 1
    assert "similar attribute already exists" in ledger.quarantined("misp")[row.indicator_id].reason
    assert sum(a.value == "hand.example.org" for a in event.attributes.values()) == 1


def test_many_refused_rows_are_asked_for_their_reasons_together(server: MispDouble, ledger: Store) -> None:
    bad = [plan_row(f"single{n}") for n in range(150)]
    result = pushed([*bad, *domains(10)], server, ledger)
    assert (result.added, result.quarantined) == (10, 150)
    assert server.count("POST", "^/attributes/add/") == 2


def test_one_attribute_that_breaks_the_server_does_not_hold_up_the_others(server: MispDouble, ledger: Store) -> None:
    rows = domains(1500)
    poison = attribute_uuid(rows[700].event, rows[700].indicator_id)
    original = server.misp.edit_event

    def breaks(key: str, body: dict, **rights: bool) -> tuple[int, object]:
        from tests.doubles.misp_state import Broken

        if any(member["uuid"] == poison for member in body["Attribute"]):
            raise Broken
        return original(key, body, **rights)

    server.misp.edit_event = breaks  # type: ignore[method-assign]
    result = pushed(rows, server, ledger)
    assert (result.added, result.quarantined) == (1499, 1)
    assert "500" in ledger.quarantined("misp")[rows[700].indicator_id].reason


def test_a_server_that_breaks_on_every_write_quarantines_nothing(server: MispDouble, ledger: Store) -> None:
    server.fault = lambda _, method, path: "500 before" if "/events/edit/" in path else None
    with pytest.raises(PushUnavailable):
        pushed(domains(5), server, ledger)
    assert ledger.quarantined("misp") == {}
    assert ledger.confirmed("misp") == {}


def test_a_server_that_is_away_leaves_the_ledger_open_and_the_next_run_catches_up(ledger: Store) -> None:
    waits: list[float] = []
    with misp_double() as gone:
        pass
    with pytest.raises(PushUnavailable, match="next run"):
        pushed(domains(3), gone, ledger, waits=waits)
    assert waits == sorted(waits)
    assert len(waits) == 5
    assert ledger.confirmed_day("misp") is None
    with misp_double() as server:
        assert pushed(domains(3), server, ledger).added == 3
        assert ledger.confirmed_day("misp") == DAY


def test_content_written_by_a_run_that_was_cut_before_publishing_is_published_by_the_next(
    server: MispDouble, ledger: Store
) -> None:
    server.fault = lambda _, method, path: "503 before" if "/publish/" in path else None
    with pytest.raises(PushUnavailable):
        pushed(domains(3), server, ledger)
    assert not server.misp.events[EVENT].published
    server.fault = lambda *_: None
    before = server.count("POST", "/events/edit/")
    assert pushed(domains(3), server, ledger).added == 3
    assert server.misp.events[EVENT].published
    assert server.count("POST", "/events/edit/") == before


def day_one_and_two() -> tuple[list[PlanRow], list[PlanRow]]:
    """Two days with everything in them: additions, an update, a withdrawal, a come-back, a refused row, two events."""
    other = {"event": "c2/2026-03", "threat_types": ("c2",)}
    one = [*domains(6), plan_row("localhost"), plan_row("198.51.100.7", "ipv4", **other)]
    two = [
        plan_row("h00000.example.org", score_band="medium"),
        replace(one[1], state="withdrawn"),
        *one[2:],
        plan_row("198.51.100.8", "ipv4", **other),
    ]
    return one, two


def picture(server: MispDouble) -> dict[str, dict[str, tuple[str, frozenset[str], bool]]]:
    """What a server holds, without instants and numbers."""
    return {
        event.info: {a.uuid: (a.value, frozenset(a.tags), a.deleted) for a in event.attributes.values()}
        for event in server.misp.events.values()
    }


@pytest.mark.parametrize(
    "fault",
    [f if f == "cut after" else pytest.param(f, marks=pytest.mark.slow) for f in FAULTS],
)
def test_cut_at_any_request_the_next_run_ends_where_an_undisturbed_one_would(
    fault: str, tmp_path: Path, made_store: Path
) -> None:
    """The connection is lost at request k, for every k there is, and the run dies of it; the next one completes."""
    one, two = day_one_and_two()
    with misp_double() as calm, opened(tmp_path / "calm.sqlite", made_store) as ledger:
        pushed(one, calm, ledger)
        first = len(calm.requests)
        pushed(two, calm, ledger, day=NEXT)
        wanted, total = picture(calm), len(calm.requests)
        entries = {(e.indicator_id, e.content_hash, e.state) for e in ledger.confirmed("misp").values()}
        writes = written(ledger)
    for k in range(1, total + 1):
        with (
            misp_double() as server,
            opened(tmp_path / f"{k}.sqlite", made_store) as ledger,
        ):
            server.fault = _at(k, fault)
            for rows, day in ((one, DAY), (one, DAY), (two, NEXT), (two, NEXT)):
                try:
                    pushed(rows, server, ledger, day=day, attempts=1)
                except (PushUnavailable, PushRefused) as error:
                    assert isinstance(error, PushUnavailable), f"request {k}: {error}"  # noqa: PT017 - which k it was
            assert picture(server) == wanted, f"cut at request {k} of {total} (day one: {first})"
            assert {(e.indicator_id, e.content_hash, e.state) for e in ledger.confirmed("misp").values()} == entries
            assert written(ledger) == writes, f"cut at request {k}: each write is logged, and once"
            before = len(server.requests)
            assert pushed(two, server, ledger, day=NEXT).writes == 0
            assert len(server.requests) == before
            assert all(event.published for event in server.misp.events.values())


def _at(k: int, fault: str) -> Callable[[int, str, str], str | None]:
    return lambda number, method, path: fault if number == k else None


@examples(6)  # two runs over HTTP each
@given(faults=st.dictionaries(st.integers(1, 60), st.sampled_from(FAULTS), max_size=12))
def test_whatever_faults_hit_a_run_that_waits_it_converges(
    faults: dict[int, str], tmp_path_factory: pytest.TempPathFactory, made_store: Path
) -> None:
    one, two = day_one_and_two()
    folder = tmp_path_factory.mktemp("faults")
    with misp_double() as server, opened(folder / "store.sqlite", made_store) as ledger:
        server.fault = lambda number, method, path: faults.get(number)
        for rows, day in ((one, DAY), (two, NEXT)):
            for _ in range(len(faults) + 1):
                try:
                    pushed(rows, server, ledger, day=day)
                except PushUnavailable:
                    continue
                break
        wanted = {r.indicator_id: r.value for r in two if r.is_active and r.value != "localhost"}
        blamed = {i for i, refused in ledger.quarantined("misp").items() if "500" in refused.reason}
        # only a server that broke on an attribute alone, and again, but not on what it was sent between, can say so
        assert not blamed or sum(fault == "500 before" for fault in faults.values()) > 1
        live = {a.value for e in server.misp.events.values() for a in e.attributes.values() if not a.deleted}
        assert live >= {value for i, value in wanted.items() if i not in blamed}
        assert live <= {r.value for r in two if r.indicator_id in wanted or r.indicator_id in blamed}
        confirmed = {e.indicator_id for e in ledger.confirmed("misp").values() if e.state == ACTIVE}
        assert wanted.keys() - blamed <= confirmed <= wanted.keys() | blamed
        assert all(len(a.tags) == 4 for e in server.misp.events.values() for a in e.attributes.values())


def test_verify_mends_what_was_changed_on_the_server_behind_the_ledgers_back(server: MispDouble, ledger: Store) -> None:
    rows = domains(3)
    pushed(rows, server, ledger)
    server.misp.delete_attribute(attribute_uuid(EVENT_NAME, rows[0].indicator_id), hard=False)
    held(server)[rows[1].value].comment = "edited"
    assert pushed(rows, server, ledger).calls == 0
    result = pushed(rows, server, ledger, verify=True)
    assert (result.updated, result.unchanged) == (2, 1)
    actions = [(i, action) for _, i, action, _, _ in written(ledger)]
    assert actions.count((rows[0].indicator_id, "update")) == actions.count((rows[1].indicator_id, "update")) == 1
    assert len(actions) == 3 + 2
    assert set(held(server)) == {row.value for row in rows}
    assert held(server)[rows[1].value].comment == "feeds: feed-a"


EVENT_NAME = "phishing/2026-03"


def test_an_event_that_lost_its_ledgered_attributes_is_filled_again(server: MispDouble, ledger: Store) -> None:
    rows = domains(4)
    pushed(rows[:3], server, ledger)
    server.misp.delete_event(server.misp.events[EVENT])
    server.misp.blocked.clear()
    pushed(rows, server, ledger, day=NEXT)
    assert set(held(server)) == {row.value for row in rows}
    assert sorted(action for _, _, action, _, _ in written(ledger, NEXT)) == ["add", "update", "update", "update"]


def test_an_indicator_that_moves_to_another_event_is_withdrawn_from_one_and_added_to_the_other(
    server: MispDouble, ledger: Store
) -> None:
    row = plan_row("bad.example.org")
    pushed([row], server, ledger)
    pushed([replace(row, event="c2/2026-04")], server, ledger, day=NEXT)
    assert [(write.action, write.event) for write in ledger.writes(NEXT)] == [
        ("withdraw", "phishing/2026-03"),
        ("add", "c2/2026-04"),
    ]


def test_an_event_that_was_deleted_there_is_refused_with_the_way_out(server: MispDouble, ledger: Store) -> None:
    server.misp.blocked.add(EVENT)
    with pytest.raises(PushRefused, match="blocklist"):
        pushed(domains(1), server, ledger)


def test_a_user_that_may_not_make_tags_is_told_which_are_missing_before_anything_is_written(ledger: Store) -> None:
    with misp_double(role="publisher") as server:
        with pytest.raises(PushRefused, match=r"tlp:clear.*tag editor"):
            pushed(domains(1), server, ledger)
        assert server.misp.events == {}
        for tag in ("tlp:clear", "tlp:green", 'intelsec:score="high"', 'intelsec:threat-type="phishing"',
                    'admiralty-scale:source-reliability="b"'):  # fmt: skip
            server.misp.make_tag(tag)
        assert pushed(domains(1), server, ledger).added == 1


def test_a_user_that_may_not_publish_is_refused_unless_publishing_is_off(ledger: Store) -> None:
    with misp_double(role="user") as server:
        with pytest.raises(PushRefused, match="publish"):
            pushed(domains(1), server, ledger)
        assert server.misp.events == {}


def test_without_publishing_the_event_stays_unpublished(server: MispDouble, ledger: Store) -> None:
    pushed(domains(1), server, ledger, publish=False)
    assert not server.misp.events[EVENT].published


def test_a_publication_that_stays_in_the_queue_is_noted(server: MispDouble, ledger: Store) -> None:
    server.queued = True
    result = pushed(domains(1), server, ledger)
    assert result.added == 1
    assert "workers" in result.detail


def test_a_past_day_never_takes_a_target_back(server: MispDouble, ledger: Store) -> None:
    pushed(domains(3), server, ledger, day=NEXT)
    result = pushed(domains(1), server, ledger, day=DAY)
    assert (result.calls, len(held(server))) == (0, 3)
    assert "past" in result.detail


def test_a_wrong_key_is_a_refusal_and_the_key_is_in_no_text(
    server: MispDouble, ledger: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "w" * 40
    client = MispClient(MispServer(server.url, secret))
    around = Surroundings(clock=Clock(), sleep=lambda _: None)
    with pytest.raises(PushRefused, match="INTELSEC_MISP_KEY") as caught:
        push(plan_table(domains(1)), DAY, ledger, client, around)
    assert secret not in f"{caught.value!r} {client!r} {client.server!r} {caplog.text}"


def test_bodies_and_keys_stay_out_of_the_log_when_the_server_breaks(
    server: MispDouble, ledger: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.fault = lambda number, method, path: "500 before" if number > 4 else None
    with pytest.raises(PushUnavailable) as caught:
        pushed(domains(3), server, ledger)
    assert KEY not in f"{caught.value} {caplog.text}"
    assert "h00001.example.org" not in f"{caught.value} {caplog.text}"


@pytest.mark.parametrize("key", ["", "with blank", "line\nbreak", "ümlaut"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(PushRefused) as caught:
        MispServer("https://misp.example.org", key)
    assert not key or key not in str(caught.value)


def test_credentials_in_the_address_are_not_shown() -> None:
    server = MispServer("https://user:hush@misp.example.org/", KEY)
    assert server.place == "https://misp.example.org/"
    assert "hush" not in f"{MispClient(server)!r}"


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of the rows a page and a write; what is counted are requests."""
    for module in (misp_client, misp_event):
        monkeypatch.setattr(module, "PAGE_ROWS", 250)
        monkeypatch.setattr(module, "SEARCH_IDS", 25)
    monkeypatch.setattr(misp_event, "CHUNK", 50)


def test_a_large_event_is_read_back_in_pages(server: MispDouble, ledger: Store, small_pages: None) -> None:
    result = pushed(domains(600), server, ledger)
    assert (result.added, len(held(server))) == (600, 600)
    assert server.count("POST", "/attributes/restSearch") == 3
    assert server.count("POST", "/events/edit/") == 12


def test_a_small_change_of_a_large_event_is_read_back_by_uuid(
    server: MispDouble, ledger: Store, small_pages: None
) -> None:
    rows = domains(600)
    pushed(rows, server, ledger)
    server.requests.clear()
    changed = [plan_row(row.value, score_band="medium") for row in rows[:20]]
    result = pushed([*changed, *rows[20:]], server, ledger, day=NEXT)
    assert (result.updated, result.unchanged) == (20, 580)
    assert result.calls == 7  # version, user, HEAD, read, write, read back, publish
