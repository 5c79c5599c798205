"""Records of a frame as typed rows: one parse in DuckDB, then what few distinct values say, looked up once each.

Every record goes through here, however its file was read, so a record has the same row on every way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.detections.audit import addresses, ocsf
from intelsec_assets.detections.audit.delivery import FIRST_LOGS
from intelsec_assets.detections.audit.extraction import Spool, SpoolFile, extract, flags
from intelsec_assets.detections.audit.fields import AWS, PART_COLUMNS
from intelsec_assets.detections.audit.framing import Frame, Odd, of_documents
from intelsec_assets.detections.audit.repair import Refused, Repaired, in_one_order, repaired
from intelsec_assets.detections.tables import CLOUD_AUDIT_EVENTS

AHEAD = timedelta(hours=1)  # more than a clock of a cloud is ever off: such an event is not believed
RAW_CHARACTERS = 4096
_AHEAD_MICROS = round(AHEAD.total_seconds() * 1e6)

# bits of the anomalies that columns show
_BITS = (
    "no_type",
    "no_arn",
    "wrong_type",
    "other_time_field",
    "no_event_id",
    "ahead_of_delivery",
    "delivery_name_disagrees",
    "wrapped_by_pubsub",
    addresses.SERVICE_AS_ADDRESS,
    addresses.INVALID_ADDRESS,
    addresses.NO_ADDRESS,
)
_BIT = {name: 1 << place for place, name in enumerate(_BITS)}


@dataclass(frozen=True)
class Delivery:
    """The file that records came in, and when it was delivered, at the latest if its name is wrong."""

    source: str
    provider: str
    file: str
    delivered: datetime
    sha256: str = ""
    latest: datetime | None = None  # None = the same


@dataclass(frozen=True)
class OddRecord:
    """A record, or (record 0) a whole file, that could not be used."""

    delivery: Delivery
    odd: Odd


@dataclass
class Typed:
    """Rows in columns of `SCHEMA`, in the order of the files and their records, and the records that are none."""

    table: pa.Table
    odd: list[OddRecord] = field(default_factory=list)


Part = tuple[Frame, Delivery]

_ARROW = {
    "DATE": pa.date32(),
    "VARCHAR": pa.string(),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
    "BOOLEAN": pa.bool_(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "VARCHAR[]": pa.list_(pa.string()),
}
# what is cut out of an event's JSON is cut when its day is built: a record that lands holds its JSON once
SCHEMA = pa.schema(
    [(column.name, _ARROW[column.type]) for column in CLOUD_AUDIT_EVENTS.columns if column.name not in PART_COLUMNS]
)


def typed(
    con: duckdb.DuckDBPyConnection, parts: Sequence[Part], spool: Spool | None = None, lines: SpoolFile | None = None
) -> Typed:
    """Rows of frames of one provider. Records that are no events of it are in `odd`, with the reason.

    A frame that was cut by a wrong guess is read again, value after value. Who types often gives a spool, and who has
    written the lines of all these frames to a file of it gives that.
    """
    if spool is None:
        with Spool() as own:
            return typed(con, parts, own, lines)
    once = _typed_once(con, _Batch.of(parts), spool, lines)
    wrong = {at for at in once.malformed_in if parts[at][0].guessed_from is not None}
    if wrong:
        again = [
            (of_documents(frame.guessed_from), delivery) if at in wrong and frame.guessed_from else (frame, delivery)
            for at, (frame, delivery) in enumerate(parts)
        ]
        return typed(con, again, spool)
    framed = [OddRecord(delivery, odd) for frame, delivery in parts for odd in frame.odd]
    if not once.to_repair:
        return Typed(once.table.drop_columns(_PART), _in_order(parts, framed + once.odd))
    repairs = [(part, record, text, repaired(text)) for part, record, text in once.to_repair]
    refused = [
        OddRecord(parts[part][1], Odd(record, fixed.reason, fixed.detail, text[:RAW_CHARACTERS]))
        for part, record, text, fixed in repairs
        if isinstance(fixed, Refused)
    ]
    second = _typed_once(con, _Batch.of_repaired(parts, repairs), spool, repairs=False)
    table = pa.concat_tables([once.table, second.table]).sort_by([(_PART, "ascending"), ("record", "ascending")])
    return Typed(table.drop_columns(_PART), _in_order(parts, framed + once.odd + refused + second.odd))


def _in_order(parts: Sequence[Part], odd: list[OddRecord]) -> list[OddRecord]:
    """By file and place; what is said of a whole file comes first."""
    place = {delivery: at for at, (_, delivery) in enumerate(parts)}
    return sorted(odd, key=lambda one: (place[one.delivery], one.odd.record))


_PART = "part"  # place of a row's frame among those that are typed together


@dataclass
class _Batch:
    """Records of several frames as one."""

    deliveries: list[Delivery]
    events: pa.ChunkedArray
    records: np.ndarray[Any, Any]
    parts: np.ndarray[Any, Any]
    lines: Iterator[bytes]  # the events as lines, made when they are asked for
    # anomaly -> (part, record)
    anomalies: dict[str, set[tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Sequence[Part]) -> _Batch:
        anomalies: dict[str, set[tuple[int, int]]] = {}
        for at, (frame, _) in enumerate(parts):
            for name, records in frame.anomalies.items():
                anomalies.setdefault(name, set()).update((at, record) for record in records)
        counts = [len(frame.events) for frame, _ in parts]
        return cls(
            [delivery for _, delivery in parts],
            pa.chunked_array([frame.events for frame, _ in parts], pa.string()),
            np.concatenate(
                [np.array([], np.int64), *(frame.records.to_numpy(zero_copy_only=False) for frame, _ in parts)]
            ),
            np.repeat(np.arange(len(parts), dtype=np.int64), np.array(counts, np.int64)),
            (frame.lines() for frame, _ in parts),
            anomalies,
        )

    @classmethod
    def of_repaired(cls, parts: Sequence[Part], repairs: Sequence[tuple[int, int, str, Repaired | Refused]]) -> _Batch:
        good = [(part, record, fixed) for part, record, _, fixed in repairs if isinstance(fixed, Repaired)]
        batch = cls(
            [delivery for _, delivery in parts],
            pa.chunked_array([[fixed.text for _, _, fixed in good]], pa.string()),
            np.array([record for _, record, _ in good], np.int64),
            np.array([part for part, _, _ in good], np.int64),
            (fixed.text.encode() + b"\n" for _, _, fixed in good),
            cls.of(parts).anomalies,
        )
        for part, record, fixed in good:
            for name in fixed.anomalies:
                batch.anomalies.setdefault(name, set()).add((part, record))
        return batch


@dataclass
class _Once:
    table: pa.Table
    odd: list[OddRecord]
    to_repair: list[tuple[int, int, str]]
    malformed_in: set[int]


def _typed_once(
    con: duckdb.DuckDBPyConnection,
    batch: _Batch,
    spool: Spool,
    lines: SpoolFile | None = None,
    *,
    repairs: bool = True,
) -> _Once:
    count = len(batch.events)
    if not count:
        return _Once(SCHEMA.append(pa.field(_PART, pa.int64())).empty_table(), [], [], set())
    found, doubtful, events = _extracted(con, batch, spool, lines)
    malformed = flags(found, "is_malformed")
    again = malformed | doubtful if repairs else np.zeros(count, bool)
    to_repair = [
        (int(batch.parts[place]), int(batch.records[place]), str(batch.events[int(place)].as_py()))
        for place in np.flatnonzero(again)
    ]
    times = _instants(found)
    delivered = np.array([_micros(delivery.delivered) for delivery in batch.deliveries])[batch.parts]
    latest = np.array([_micros(one.latest or one.delivered) for one in batch.deliveries])[batch.parts]
    verdicts = _verdicts(found, times, latest)
    odd = [_odd(batch, found, int(place), int(verdicts[place])) for place in np.flatnonzero((verdicts > 0) & ~again)]
    table = _rows(found, events, batch, times, delivered)
    keep = (verdicts == 0) & ~again
    return _Once(
        table if keep.all() else table.filter(pa.array(keep)), odd, to_repair, set(batch.parts[malformed].tolist())
    )


def _extracted(
    con: duckdb.DuckDBPyConnection, batch: _Batch, spool: Spool, lines: SpoolFile | None
) -> tuple[pa.Table, np.ndarray[Any, Any], pa.ChunkedArray]:
    provider = batch.deliveries[0].provider
    if provider != AWS:
        return extract(con, provider, batch.events, None)
    if lines is not None:
        return extract(con, provider, batch.events, lines.written())
    with spool.file() as own:
        for text in batch.lines:
            own.write(text)
        return extract(con, provider, batch.events, own.written())


def _instants(found: pa.Table) -> np.ndarray[Any, Any]:
    """Microseconds since 1970; the least value there is where an instant is missing."""
    times: np.ndarray[Any, Any] = (
        pc.fill_null(found.column("event_time").cast(pa.int64()), np.iinfo(np.int64).min).combine_chunks().to_numpy()
    )
    return times


_NOT_AN_EVENT, _NO_TIME, _FUTURE, _PAST = 1, 2, 3, 4


def _verdicts(found: pa.Table, times: np.ndarray[Any, Any], latest: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """0 = an event; else why it is none."""
    verdicts = np.zeros(len(times), np.int8)
    verdicts[times > latest + _AHEAD_MICROS] = _FUTURE
    verdicts[times < _micros(FIRST_LOGS)] = _PAST
    verdicts[times == np.iinfo(np.int64).min] = _NO_TIME
    nameless = pc.and_(pc.is_null(found.column("event_name")), pc.is_null(found.column("event_source")))
    verdicts[nameless.combine_chunks().to_numpy(zero_copy_only=False)] = _NOT_AN_EVENT
    return verdicts


def _odd(batch: _Batch, found: pa.Table, place: int, verdict: int) -> OddRecord:
    delivery = batch.deliveries[int(batch.parts[place])]
    time = found.column("time_text")[place].as_py()
    last = delivery.latest or delivery.delivered
    words = {
        _NOT_AN_EVENT: ("not_an_event", f"it names neither operation nor service as {delivery.provider} does"),
        _NO_TIME: ("no_time", f"its time is {time!r}; expected an instant such as 2023-07-10T11:42:36Z"),
        _PAST: ("past", f"its time is {time!r}, before any audit log"),
        _FUTURE: ("future", f"its time is {time!r}, over an hour after the file was delivered, {last}"),
    }
    raw = str(batch.events[place].as_py())[:RAW_CHARACTERS]
    return OddRecord(delivery, Odd(int(batch.records[place]), *words[verdict], raw))


def _rows(
    found: pa.Table,
    events: pa.ChunkedArray,
    batch: _Batch,
    times: np.ndarray[Any, Any],
    delivered: np.ndarray[Any, Any],
) -> pa.Table:
    address, service, address_bits = _callers(found.column("source_text"))
    class_uid, activity, name_bits = _names(found.column("event_name"), found.column("read_only"))
    event_id = found.column("event_id").combine_chunks()
    missing = pc.is_null(event_id).to_numpy(zero_copy_only=False)
    if missing.any():
        hashes = [_hashed(events[int(place)].as_py()) for place in np.flatnonzero(missing)]
        event_id = pc.replace_with_mask(event_id, pa.array(missing), pa.array(hashes, pa.string()))
    bits = (
        _BIT["no_type"] * flags(found, "has_no_type")
        + _BIT["no_arn"] * flags(found, "has_no_arn")
        + _BIT["other_time_field"] * flags(found, "has_other_time")
        + _BIT["no_event_id"] * missing
        + _BIT["wrapped_by_pubsub"] * pc.is_valid(found.column("entry")).combine_chunks().to_numpy(zero_copy_only=False)
        + _BIT["ahead_of_delivery"] * ((times > delivered) & (times <= delivered + _AHEAD_MICROS))
        + _BIT["delivery_name_disagrees"] * (times > delivered + _AHEAD_MICROS)
        + (address_bits | name_bits | _BIT["wrong_type"] * flags(found, "has_wrong_type"))
    )
    parts = pa.array(batch.parts)

    def said(what: Callable[[Delivery], str]) -> pa.Array:
        return pa.array([what(delivery) for delivery in batch.deliveries], pa.string()).take(parts)

    instant = pa.timestamp("us", tz="UTC")
    made: Mapping[str, Any] = {
        "day": found.column("event_time").cast(pa.timestamp("us")).cast(pa.date32(), safe=False),
        "event_id": event_id,
        "provider": said(lambda delivery: delivery.provider),
        "source": said(lambda delivery: delivery.source),
        "source_address": address,
        "source_service": service,
        "ocsf_class": class_uid,
        "ocsf_activity": activity,
        "ocsf_status": pc.if_else(found.column("is_failure"), ocsf.FAILURE, ocsf.SUCCESS),
        "anomalies": _anomalies(bits, batch),
        "event": events,
        "file": said(lambda delivery: delivery.file),
        "record": pa.array(batch.records),
        "file_sha256": said(lambda delivery: delivery.sha256),
        "delivered_at": pa.array(delivered).cast(instant),
        _PART: parts,
    }
    schema = SCHEMA.append(pa.field(_PART, pa.int64()))
    columns = [made[name] if name in made else found.column(name) for name in schema.names]
    pairs = zip(columns, schema.types, strict=True)
    return pa.table([column if column.type == kind else column.cast(kind) for column, kind in pairs], schema=schema)


def _callers(texts: pa.ChunkedArray) -> tuple[pa.Array, pa.Array, np.ndarray[Any, Any]]:
    encoded = texts.combine_chunks().dictionary_encode(null_encoding="encode")
    distinct = [addresses.caller(text) for text in encoded.dictionary.to_pylist()]
    indices = encoded.indices
    bits = np.array([_BIT.get(caller.anomaly or "", 0) for caller in distinct], np.int64)[indices.to_numpy()]
    return (
        pa.array([caller.address for caller in distinct], pa.string()).take(indices),
        pa.array([caller.service for caller in distinct], pa.string()).take(indices),
        bits,
    )


def _names(names: pa.ChunkedArray, read_only: pa.ChunkedArray) -> tuple[pa.Array, pa.Array, np.ndarray[Any, Any]]:
    encoded = names.combine_chunks().dictionary_encode(null_encoding="encode")
    distinct = encoded.dictionary.to_pylist()
    said = pc.fill_null(read_only, False).combine_chunks().to_numpy(zero_copy_only=False).astype(np.int64)
    known = [ocsf.name(name, is_read) for name in distinct for is_read in (False, True)]
    places = encoded.indices.to_numpy().astype(np.int64)
    wrong = np.array([_BIT["wrong_type"] * (name or "").startswith(("{", "[")) for name in distinct], np.int64)
    indices = pa.array(places * 2 + said)
    return (
        pa.array([name.class_uid for name in known], pa.int32()).take(indices),
        pa.array([name.activity for name in known], pa.string()).take(indices),
        wrong[places],
    )


def _anomalies(bits: np.ndarray[Any, Any], batch: _Batch) -> pa.Array:
    """Lists of names: of the bits, and of what framing and repair noted a record."""
    if not batch.anomalies:
        encoded = pa.array(bits).dictionary_encode()
        lists = [sorted(name for name, bit in _BIT.items() if value & bit) for value in encoded.dictionary.to_pylist()]
        return pa.array(lists, pa.list_(pa.string())).take(encoded.indices)
    places = zip(bits.tolist(), batch.parts.tolist(), batch.records.tolist(), strict=True)
    rows = [
        sorted(
            {name for name, bit in _BIT.items() if value & bit}
            | {name for name, noted in batch.anomalies.items() if (part, record) in noted}
        )
        for value, part, record in places
    ]
    return pa.array(rows, pa.list_(pa.string()))


def _hashed(text: str) -> str:
    return hashlib.sha256(in_one_order(text).encode("utf-8", "replace")).hexdigest()


def _micros(at: datetime) -> int:
    return round(at.timestamp() * 1e6)
