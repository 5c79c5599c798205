"""Hosts files: a sink address, white space, the name that is blocked.

The names the machine itself needs (localhost and its kin) are told apart here; whether a name is a domain is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats.plain import refused_rows, value_lines
from intelsec_assets.feeds.formats.rows import Parsed, RawFile, Reject, RowList, constant, uniform_table

SINKS = ("127.0.0.1", "0.0.0.0", "::", "::1", "0", "127.0.1.1")  # noqa: S104 - addresses that blocked names point to
# every hosts file opens with some of these; none is an indicator
LOCAL_NAMES = (
    "localhost",
    "localhost.localdomain",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-allhosts",
    "0.0.0.0",  # noqa: S104 - a name in the file, nothing is bound to it
)


def parse(feed: Feed, files: Sequence[RawFile], _day: date) -> Parsed:
    """A row a line that names one host behind a sink address; every other line is rejected with what it lacks."""
    parsed = Parsed()
    for raw in files:
        lines = value_lines(raw, parsed, expected="a hosts file", comment="#", inline=True)
        fields = pc.utf8_split_whitespace(lines.texts)
        good = pc.equal(pc.list_value_length(fields), 2)
        pairs, numbers = fields.filter(good), lines.numbers.filter(good)
        sinks, names = pc.list_element(pairs, 0), pc.list_element(pairs, 1)
        usable = pc.and_(
            pc.is_in(sinks, pa.array(SINKS)), pc.invert(pc.is_in(pc.utf8_lower(names), pa.array(LOCAL_NAMES)))
        )
        values = names.filter(usable)
        parsed.tables.append(
            uniform_table(
                feed, raw.file, numbers.filter(usable), values, indicator_type=constant("domain", len(values))
            )
        )
        rejected = RowList(feed)
        bad = pc.invert(pc.is_in(lines.numbers, numbers.filter(usable)))
        for number, line in zip(
            lines.numbers.filter(bad).to_pylist(), lines.texts.filter(bad).to_pylist(), strict=True
        ):
            rejected.reject(raw.file, number, line, _defect(line.split()))
        parsed.tables += [rejected.table(), *refused_rows(feed, raw.file, lines)]
    return parsed


def _defect(fields: list[str]) -> Reject:
    if len(fields) > 2 and fields[0] in SINKS:
        return Reject("several_hosts", f"{len(fields) - 1} names on one line; expected one")
    if len(fields) == 2 and fields[0] in SINKS:
        return Reject("local_name", f"{fields[1]!r} is a name the machine itself needs, not an indicator")
    expected = "an address that blocks (127.0.0.1, 0.0.0.0, ::1), white space and one host name"
    return Reject("not_a_hosts_line", f"{len(fields)} words, the first {fields[0][:80]!r}; expected {expected}")
