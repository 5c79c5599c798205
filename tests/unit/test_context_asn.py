"""Who holds the network of an address, from CSV prefixes and MMDB files, which are written here as the format says.

Whether a network is new for someone is in test_context_principals.
"""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.detections.context.asn import AsnPrefixes, load_prefixes
from tests.searching import examples
from tests.unit.audit_calls import call, context

PREFIXES = """\
network,asn,org,country
198.51.100.0/24,64496,Wide Net,XA
198.51.100.64/26,AS64497,Narrow Net,XB
2001:db8::/32,65540,Six,XC
2001:db8:1::/48,65541,Six inside,XC
203.0.113.0/24,0,Nobody,
"""


def prefixes(tmp_path: Path, text: str = PREFIXES, **more: Any) -> AsnPrefixes:
    path = tmp_path / "prefixes.csv"
    path.write_text(text)
    return load_prefixes([path], **more)


def holder(address: str | None, asn: AsnPrefixes | None) -> tuple[Any, ...]:
    found = context([call(source_address=address)], asn=asn)["e1"]
    return tuple(found[f"context.asn.{name}"] for name in ("number", "org", "country"))


@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("198.51.100.1", 64496),
        ("198.51.100.63", 64496),
        ("198.51.100.64", 64497),
        ("198.51.100.127", 64497),
        ("198.51.100.128", 64496),
        ("198.51.101.0", None),
        ("2001:db8::1", 65540),
        ("2001:db8:1:ffff::1", 65541),
        ("2001:db9::1", None),
        ("203.0.113.9", None),
    ],
)
def test_the_narrowest_prefix_of_either_family_wins(tmp_path: Path, address: str, number: int | None) -> None:
    assert holder(address, prefixes(tmp_path))[0] == number


def test_an_unknown_address_has_no_number_and_an_unknown_state(tmp_path: Path) -> None:
    found = context([call(source_address="192.0.2.1")], asn=prefixes(tmp_path))["e1"]
    assert (found["context.asn.number"], found["context.asn.state"]) == (None, "unknown")


@pytest.mark.parametrize("address", ["10.20.3.15", "192.168.0.1", "172.31.255.255", "100.64.0.1", "fd00::1", "::1"])
def test_a_private_address_is_said_to_be_one(tmp_path: Path, address: str) -> None:
    for asn in (prefixes(tmp_path), None):
        assert holder(address, asn) == (None, "private address", None)


@pytest.mark.parametrize("address", ["192.0.2.1", "11.0.0.1", "172.32.0.1", "2001:db8::1"])
def test_documentation_ranges_and_neighbours_of_private_ones_are_not_private(address: str) -> None:
    assert holder(address, None) == (None, None, None)


def test_a_network_of_ones_own_names_private_addresses(tmp_path: Path) -> None:
    asn = prefixes(tmp_path, "network,asn,org,country\n10.20.0.0/16,64500,Our machines,XA\n")
    assert holder("10.20.3.15", asn) == (64500, "Our machines", "XA")
    assert holder("10.21.3.15", asn) == (None, "private address", None)


@pytest.mark.parametrize(
    "event",
    [
        call(source_address=None, source_text="cloudtrail.amazonaws.com", source_service="cloudtrail.amazonaws.com"),
        call(source_address=None, source_text="AWS Internal", source_service="AWS Internal"),
        call(source_address=None, source_text="198.51.100.299"),
        call(source_address=None, source_text=None, principal=None, actor_arn=None),
    ],
)
def test_a_service_name_or_impossible_address_has_no_network(tmp_path: Path, event: dict[str, Any]) -> None:
    found = context([event], asn=prefixes(tmp_path))["e1"]
    assert (found["context.asn.number"], found["context.asn.state"]) == (None, "unknown")


def test_rows_that_are_no_prefix_are_named_with_their_line_and_the_others_stay(tmp_path: Path) -> None:
    bad = "198.51.100.0/33,1,x,\n192.0.2.0/24,AS99999999999,x,\n192.0.2.0/24,many,x,\n192.0.2.0/24\nnonsense,1,x,\n"
    asn = prefixes(tmp_path, PREFIXES + bad)
    assert [(p.file, p.line) for p in asn.problems] == [("prefixes.csv", n) for n in range(7, 12)]
    assert asn.prefixes.num_rows == 5


def test_a_file_that_cannot_be_read_is_a_reason_and_the_other_files_count(tmp_path: Path) -> None:
    (tmp_path / "broken.mmdb").write_bytes(b"no database")
    (tmp_path / "headless.csv").write_text("198.51.100.0/24,64496\n")
    prefixes(tmp_path)
    files = [tmp_path / name for name in ("gone.csv", "headless.csv", "prefixes.csv")]
    asn = load_prefixes(files, [tmp_path / "broken.mmdb", tmp_path / "gone.mmdb"])
    assert [str(path) in " ".join(asn.reasons) for path in files] == [True, True, False]
    assert len(asn.reasons) == 4
    assert asn.is_readable
    assert holder("198.51.100.1", asn)[0] == 64496


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    first = prefixes(tmp_path)
    second = prefixes(tmp_path, PREFIXES.replace("64496", "64511"))
    assert first.digest != second.digest
    assert holder("198.51.100.1", second)[0] == 64511


# --- MMDB, https://maxmind.github.io/MaxMind-DB/
def encoded(value: Any) -> bytes:
    if isinstance(value, dict):
        body = b"".join(encoded(key) + encoded(item) for key, item in value.items())
        return bytes([7 << 5 | len(value)]) + body
    if isinstance(value, list):
        return bytes([len(value), 11 - 7]) + b"".join(map(encoded, value))
    if isinstance(value, str):
        size = bytes([2 << 5 | len(value)]) if len(value) < 29 else bytes([2 << 5 | 29, len(value) - 29])
        return size + value.encode()
    if isinstance(value, tuple):  # an integer of another width, in bytes
        number, width = value
        return (
            bytes([5 << 5 | 2]) + struct.pack(">H", number) if width == 2 else b"\x08\x02" + struct.pack(">Q", number)
        )
    assert isinstance(value, int)
    return bytes([6 << 5 | 4]) + struct.pack(">I", value)


def mmdb(path: Path, records: dict[str, dict[str, Any]]) -> Path:
    """A database of IPv6 width; IPv4 networks lie below ::/96."""
    data, offsets = b"", {}
    for network, record in records.items():
        offsets[network] = len(data)
        data += encoded(record)
    nodes: list[list[Any]] = [[None, None]]
    for network in sorted(records, key=lambda text: ipaddress.ip_network(text).prefixlen):
        parsed = ipaddress.ip_network(network)
        length = parsed.prefixlen + (96 if parsed.version == 4 else 0)
        bits = f"{int(parsed.network_address):0128b}"[:length]
        at = 0
        for bit in map(int, bits[:-1]):
            if not isinstance(nodes[at][bit], int):
                nodes.append([nodes[at][bit]] * 2)  # a wider network goes on in both halves
                nodes[at][bit] = len(nodes) - 1
            at = nodes[at][bit]
        nodes[at][int(bits[-1])] = network
    count = len(nodes)

    def pointer(target: Any) -> bytes:
        number = count if target is None else target if isinstance(target, int) else count + 16 + offsets[target]
        return struct.pack(">I", number)

    tree = b"".join(pointer(half) for node in nodes for half in node)
    about: dict[str, Any] = {
        "node_count": count,
        "record_size": (32, 2),
        "ip_version": (6, 2),
        "binary_format_major_version": (2, 2),
    }
    about |= {
        "binary_format_minor_version": (0, 2),
        "build_epoch": (1, 8),
        "database_type": "test",
        "languages": ["en"],
    }
    path.write_bytes(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encoded(about | {"description": {}}))
    return path


GEOLITE = {"autonomous_system_number": 64499, "autonomous_system_organization": "Lite"}


def test_an_mmdb_file_is_asked_in_its_layouts(tmp_path: Path) -> None:
    database = mmdb(
        tmp_path / "asn.mmdb",
        {
            "198.51.100.0/24": GEOLITE,
            "192.0.2.0/24": {"asn": "AS64498", "as_name": "Info", "country_code": "XD"},
            "2001:db8:2::/48": GEOLITE,
            "203.0.113.0/24": {"org": "no number"},
        },
    )
    asn = load_prefixes([], [database])
    assert asn.reasons == ()
    assert holder("198.51.100.1", asn) == (64499, "Lite", None)
    assert holder("192.0.2.1", asn) == (64498, "Info", "XD")
    assert holder("2001:db8:2::5", asn)[0] == 64499
    assert holder("203.0.113.5", asn) == (None, None, None)
    assert holder("198.18.0.1", asn) == (None, None, None)


def test_the_narrower_of_csv_and_mmdb_wins_and_of_equal_ones_the_csv(tmp_path: Path) -> None:
    database = mmdb(tmp_path / "asn.mmdb", {"198.51.100.0/25": GEOLITE, "198.51.100.128/25": GEOLITE})
    text = "network,asn,org,country\n198.51.100.0/24,64496,Wide,\n198.51.100.128/25,64497,Ours,\n"
    asn = prefixes(tmp_path, text, databases=[database])
    assert holder("198.51.100.1", asn)[0] == 64499
    assert holder("198.51.100.200", asn)[0] == 64497


V4 = st.builds(
    lambda number, length: ipaddress.ip_network((number, length), strict=False),
    st.integers(0xC6336400, 0xC63365FF),
    st.integers(20, 32),
)
V6 = st.builds(
    lambda number, length: ipaddress.ip_network((number, length), strict=False),
    st.integers(0x20010DB8 << 96, (0x20010DB8 << 96) + (1 << 70)),
    st.integers(40, 128),
)


@examples(15)
@given(networks=st.lists(st.one_of(V4, V6), min_size=1, max_size=12, unique=True), data=st.data())
def test_the_lookup_agrees_with_a_plain_search_for_the_longest_prefix(
    tmp_path_factory: pytest.TempPathFactory, networks: list[Any], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("asn") / "p.csv"
    path.write_text("network,asn\n" + "".join(f"{network},{n + 1}\n" for n, network in enumerate(networks)))
    near = [network.network_address for network in networks] + [network.broadcast_address for network in networks]
    addresses = data.draw(st.lists(st.sampled_from(near), min_size=1, max_size=8))
    rows = [call(event_id=f"e{n}", source_address=str(address)) for n, address in enumerate(addresses)]
    found = context(rows, asn=load_prefixes([path]))
    for n, address in enumerate(addresses):
        holding = [(net.prefixlen, number + 1) for number, net in enumerate(networks) if address in net]
        assert found[f"e{n}"]["context.asn.number"] == max(holding)[1]
