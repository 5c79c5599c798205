"""Who holds the network of an address: autonomous system, holder and country, from CSV prefixes and MMDB files.

Offline only; whether a system is new for someone is `principals`.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from intelsec_assets.detections.context.addresses import NETWORK, covering
from intelsec_assets.detections.context.tickets import RowProblem
from intelsec_assets.indicators.matching.networks import parse_network

PRIVATE_HOLDER = "private address"
# Networks that mean another machine in every house (RFC 1918, 6598, 3927, 4193, 4291). A prefix of one's own that is as
# narrow or narrower names them; documentation ranges are not among them
_PRIVATE = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"),
    *("fc00::/7", "fe80::/10", "::1/128"),
)
_MAX_ASN = (1 << 32) - 1
_PREFIXES = pa.schema(
    [*NETWORK, ("asn", pa.int64()), ("org", pa.string()), ("country", pa.string()), ("rank", pa.int64())]
)
_NUMBERS = ("asn", "autonomous_system_number", "as_number")
_HOLDERS = ("org", "as_name", "name", "autonomous_system_organization", "as_organization", "as_org")
_COUNTRIES = ("country", "country_code", "country_code2", "registered_country", "iso_code")
_NETWORKS = ("network", "prefix", "cidr", "start_ip")

Fields = tuple[int, int, int, int, int | None, str | None, str | None]
Prefix = tuple[int, int, int, int, int | None, str | None, str | None, int]


@dataclass(frozen=True)
class AsnPrefixes:
    """Prefixes of CSV files, and the MMDB files to ask besides. `reasons` say which files could not be read.

    `prefixes`: family, hi, lo, length, asn (NULL = routed by nobody), org, country, rank (on a tie the lowest wins).
    """

    prefixes: pa.Table
    databases: tuple[Path, ...] = ()
    problems: tuple[RowProblem, ...] = ()
    reasons: tuple[str, ...] = ()
    digest: str = field(default="")

    @property
    def is_readable(self) -> bool:
        """Whether there is anything to look up in."""
        return self.prefixes.num_rows > 0 or bool(self.databases)


def load_prefixes(csv_files: Sequence[Path] = (), databases: Sequence[Path] = ()) -> AsnPrefixes:
    """The prefixes of the files. What cannot be read is said in `reasons` or, of a single row, in `problems`.

    CSV: a header with `network` (or prefix, cidr), `asn` (64496 or AS64496; 0 or empty = routed by nobody), `org` and
    `country` (both may be missing). The narrowest prefix wins; of equal ones the first file, then the first line.
    """
    rows: list[Prefix] = []
    problems: list[RowProblem] = []
    reasons: list[str] = []
    content = hashlib.sha256()
    for path in csv_files:
        try:
            written = path.stat()
            digest, prefixes, bad = _csv_prefixes(path, written.st_mtime_ns, written.st_size)
        except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
            reasons.append(f"{path} cannot be read: {error}")
            continue
        content.update(digest.encode())
        problems += bad
        rows += [(*read, len(rows) + n) for n, read in enumerate(prefixes)]
    usable = []
    for path in databases:
        try:
            with _open(path):
                usable.append(path)
            content.update(hashlib.sha256(path.read_bytes()).digest())
        except (OSError, ValueError) as error:
            reasons.append(f"{path} cannot be read as MMDB: {error}")
    content.update(repr(sorted(reasons)).encode())
    return AsnPrefixes(_table(rows), tuple(usable), tuple(problems), tuple(reasons), content.hexdigest())


def look_up(con: duckdb.DuckDBPyConnection, addresses: str, prefixes: AsnPrefixes, target: str) -> None:
    """Table `target` (text, asn, org, country): the holder of each address of the table `addresses`.

    Addresses that no prefix holds are left out; private ones have no number and the holder PRIVATE_HOLDER.
    """
    own = prefixes.prefixes.num_rows
    answers = list(_ask(con, addresses, prefixes.databases, own))
    private = [
        (*network, None, PRIVATE_HOLDER, None, own + len(answers))
        for network in map(parse_network, _PRIVATE)
        if network
    ]
    con.register("context_prefixes", pa.concat_tables([prefixes.prefixes, _table([*answers, *private])]))
    covering(con, addresses, "context_prefixes", f"{target}_all")
    con.unregister("context_prefixes")
    con.execute(
        f"create or replace temp table {target} as select text, asn, org, country from {target}_all "  # noqa: S608 - own names
        "qualify row_number() over (partition by text order by length desc, rank) = 1"
    )
    con.execute(f"drop table {target}_all")


@lru_cache(maxsize=8)  # a table of a network's whole routes takes seconds to read, and a backfill asks for it every day
def _csv_prefixes(path: Path, _written: int, _size: int) -> tuple[str, tuple[Fields, ...], tuple[RowProblem, ...]]:
    """Digest, prefixes and bad rows of a file as it was written at that time, in that size."""
    text = path.read_text(encoding="utf-8-sig")
    found = list(_parsed(text, path.name))
    prefixes = tuple(read for read in found if not isinstance(read, RowProblem))
    problems = tuple(read for read in found if isinstance(read, RowProblem))
    return hashlib.sha256(text.encode()).hexdigest(), prefixes, problems


def _parsed(text: str, file: str) -> Iterator[Fields | RowProblem]:
    rows = csv.reader(text.splitlines(), strict=True)
    header = [cell.strip().lower() for cell in next(rows, [])]
    network_at, asn_at = _place(header, _NETWORKS), _place(header, _NUMBERS)
    if network_at is None or asn_at is None:
        raise ValueError(f"line 1 names no columns network and asn, but {header}: expected network,asn,org,country")
    org_at, country_at = _place(header, _HOLDERS), _place(header, _COUNTRIES)
    for cells in rows:
        if not cells or not cells[0].strip() or cells[0].startswith("#"):
            continue
        line = rows.line_num
        if len(cells) <= max(network_at, asn_at):
            yield RowProblem(file, line, f"the row has {len(cells)} cells: expected {len(header)}")
            continue
        network = parse_network(cells[network_at].strip())
        number = cells[asn_at].strip().upper().removeprefix("AS") or "0"
        if network is None:
            yield RowProblem(file, line, f"{cells[network_at]!r} is no network: expected for example 192.0.2.0/24")
        elif not (number.isascii() and number.isdigit() and int(number) <= _MAX_ASN):
            yield RowProblem(file, line, f"asn {cells[asn_at]!r} is no number of an autonomous system, 0 to {_MAX_ASN}")
        else:
            org, country = (
                cells[at].strip() or None if at is not None and at < len(cells) else None for at in (org_at, country_at)
            )
            yield (*network, int(number) or None, org, country)


def _place(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _ask(con: duckdb.DuckDBPyConnection, addresses: str, databases: Sequence[Path], rank: int) -> Iterator[Prefix]:
    """What the MMDB files say of the addresses, as prefixes: a file of a million networks is not read for a few."""
    if not databases:
        return
    texts = [text for (text,) in con.table(addresses).select("text").fetchall()]
    for path in databases:
        found: dict[tuple[str, int], Prefix] = {}
        with _open(path) as reader:
            for text in texts:
                try:
                    record, length = reader.get_with_prefix_len(text)
                except ValueError:  # an IPv6 address, and a file of IPv4 only
                    continue
                if not isinstance(record, Mapping):
                    continue
                network = parse_network(f"{text}/{length}") if length <= (128 if ":" in text else 32) else None
                if network is not None and (read := _record(record)) is not None:
                    found.setdefault((str(network), length), (*network, *read, rank))
                    rank += 1
        yield from found.values()


def _record(record: Mapping[str, Any]) -> tuple[int | None, str | None, str | None] | None:
    """Number, holder and country of an MMDB record, whichever of the published layouts it has."""
    traits = record.get("traits")
    flat = {**record, **(traits if isinstance(traits, Mapping) else {})}
    number = next((flat[name] for name in _NUMBERS if flat.get(name) not in (None, "")), None)
    digits = str(number if number is not None else "").upper().removeprefix("AS")
    if not digits.isdigit():
        return None
    country = next((flat[name] for name in _COUNTRIES if flat.get(name)), None)
    if isinstance(country, Mapping):
        country = country.get("iso_code")
    holder = next((flat[name] for name in _HOLDERS if flat.get(name)), None)
    return int(digits) or None, None if holder is None else str(holder), None if country is None else str(country)


def _open(path: Path) -> Any:
    import maxminddb  # only where a database is configured

    try:
        return maxminddb.open_database(str(path), maxminddb.MODE_AUTO)
    except maxminddb.InvalidDatabaseError as error:
        raise ValueError(str(error)) from error


def _table(rows: Sequence[Prefix]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(_PREFIXES)
    arrays = [pa.array(column, column_type.type) for column, column_type in zip(columns, _PREFIXES, strict=True)]
    return pa.table(arrays, schema=_PREFIXES)
