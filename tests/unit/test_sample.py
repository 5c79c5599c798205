"""The bundled sample: made by its script byte for byte, small, free of real third parties, true to its README.

What the pipeline makes of it is tested elsewhere.
"""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from intelsec_assets.feeds.catalogue import load_catalogue

SAMPLES = Path(__file__).parents[2] / "samples"
DATA = SAMPLES / "data"

DOCUMENTATION = [
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32")
]
PRIVATE = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")]
RESERVED_NAME = re.compile(r"(^|\.)(example|test|invalid|example\.(com|net|org))$")
# names of files, dotted keys of the formats and seconds of instants look like host names
FILE_NAME = re.compile(
    r"\.(json|csv|txt|tsv|gz|py|yaml|php|html|bin|tar)$|^win\.[a-z]+$|^hashes\.|^T\d{4}\.\d{3}$|^[\d.-]+Z?$|^CC0-1\.0$"
)
# what the clouds' logs call their services, methods and states looks like host names too
CLOUD_NAME = re.compile(
    r"(^|\.)(amazonaws\.com|aws\.amazon\.com|googleapis\.com|gserviceaccount\.com|core\.windows\.net|xmlsoap\.org)$"
    r"|^(google|microsoft|succeeded|failed)\.[a-z]"
)
EVERYWHERE = {"0.0.0.0", "::"}  # named by a firewall's rule
HOST = re.compile(r"[\w-]+(?:\.[\w-]+)+", re.ASCII)
IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
IPV6 = re.compile(r"(?<![0-9a-fA-F:])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![0-9a-fA-F:])")


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unpacked(content: bytes) -> bytes:
    """What a gzip file holds, as far as it can be read: one of them is cut off."""
    return zlib.decompressobj(31).decompress(content) if content.startswith(b"\x1f\x8b") else content


@pytest.fixture(scope="module")
def committed() -> dict[str, bytes]:
    return files_below(DATA)


@pytest.fixture(scope="module")
def text(committed: dict[str, bytes]) -> str:
    """Everything the sample says, unpacked, defanged forms written out, the colons of resource names left out."""
    everything = b"\n".join(map(unpacked, committed.values())).decode("latin-1")
    everything = re.sub(r"arn:aws:[\w-]*:[\w-]*:\w*:|AWS::\w+::", " ", everything)
    return re.sub(r"\[\.\]|\(dot\)|\[dot\]", ".", everything)


def calendar() -> list[tuple[str, list[str], list[str]]]:
    """(file pattern, bytes it holds, bytes it lacks) of each row of the README's calendar, bytes as written there."""
    section = (SAMPLES / "README.md").read_text(encoding="utf-8").split("## The calendar")[1]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("|")][2:]
    spans = [[re.findall(r"`([^`]+)`", cell) for cell in row[2:5]] for row in rows]
    return [(paths[0], holds, lacks) for paths, holds, lacks in spans]


def raw(needle: str) -> bytes:
    """The bytes a cell of the calendar stands for."""
    for written, meant in ((r"\|", "|"), (r"\r", "\r"), (r"\n", "\n"), (r"\t", "\t"), (r"\x00", "\0")):
        needle = needle.replace(written, meant)
    return needle.replace(r"\xe9", "é").encode("latin-1" if r"\xe9" in needle else "utf-8")


def test_the_script_writes_the_committed_files_byte_for_byte(committed: dict[str, bytes], tmp_path: Path) -> None:
    subprocess.run([sys.executable, SAMPLES / "make_sample.py", "--out", tmp_path / "data"], check=True)
    made = files_below(tmp_path / "data")
    assert sorted(made) == sorted(committed)
    assert [path for path in made if made[path] != committed[path]] == []


def test_the_script_refuses_to_replace_a_folder_that_is_no_sample(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        [sys.executable, SAMPLES / "make_sample.py", "--out", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "choose an empty folder" in done.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_the_sample_is_smaller_than_five_megabytes(committed: dict[str, bytes]) -> None:
    assert sum(map(len, committed.values())) < 5_000_000


def test_every_host_name_is_reserved(text: str) -> None:
    found = {
        name.lower() for name in HOST.findall(text) if not (FILE_NAME.search(name) or CLOUD_NAME.search(name.lower()))
    }
    assert len(found) > 1000
    assert sorted(name for name in found if not RESERVED_NAME.search(name)) == []


def test_every_address_is_of_a_documentation_benchmark_or_private_range(text: str) -> None:
    found = set()
    for token in {*IPV4.findall(text), *IPV6.findall(text)}:
        if token in EVERYWHERE:
            continue
        try:
            found.add(ipaddress.ip_address(token))
        except ValueError:
            continue  # broken on purpose, or a time of day
    assert len(found) > 1000
    allowed = [*DOCUMENTATION, *PRIVATE]
    assert [str(a) for a in found if not any(a in network for network in allowed if a.version == network.version)] == []


def test_no_warninglist_holds_the_ranges_the_story_lives_in() -> None:
    private = (DATA / "warninglists/private-ranges.json").read_text()
    for network in map(ipaddress.ip_network, re.findall(r'"([\d.]+/\d+)"', private)):
        assert not any(network.overlaps(other) for other in DOCUMENTATION if other.version == 4)


def test_the_catalogue_is_valid_and_every_due_feed_has_its_file_each_day(committed: dict[str, bytes]) -> None:
    catalogue = load_catalogue(DATA / "catalogue.yaml")
    days = [catalogue.first_day.replace(day=number) for number in range(2, 16)]
    assert {feed.format for feed in catalogue.feeds} == {
        *("plain", "csv", "tsv", "hosts", "families", "misp_feed", "misp_event", "taxii", "stix"),
    }
    for feed in catalogue.enabled_feeds:
        for day in days:
            pattern = str(feed.local).format(day=day.isoformat(), yyyymmdd=f"{day:%Y%m%d}")
            assert any(DATA.glob(pattern)) == feed.is_due(day), f"{feed.name} on {day}: {pattern}"


@pytest.mark.parametrize(("pattern", "holds", "lacks"), calendar())
def test_what_the_calendar_says_is_in_the_data(pattern: str, holds: list[str], lacks: list[str]) -> None:
    contents = [path.read_bytes() for path in (DATA / "feeds").glob(pattern)]
    assert contents, f"no file {pattern}"
    assert holds or lacks
    for needle in holds:
        assert any(raw(needle) in content for content in contents), f"{needle} is not in {pattern}"
    for needle in lacks:
        assert not any(raw(needle) in content for content in contents), f"{needle} is in {pattern}"


def test_the_copycat_holds_nothing_but_what_the_foundry_held() -> None:
    foundry = b"".join(path.read_bytes() for path in (DATA / "feeds/foundry-c2").glob("*.csv"))
    for path in (DATA / "feeds/magpie-list").glob("*.txt"):
        addresses = [line for line in path.read_bytes().splitlines() if not line.startswith(b"#")]
        assert len(addresses) > 100
        assert [a for a in addresses if b'"' + a + b":" not in foundry and b'"' + a + b'"' not in foundry] == []


def test_the_frozen_trails_have_the_same_bytes_for_eight_days() -> None:
    trails = [files_below(DATA / f"feeds/workshop-trails/2026-03-{day:02}") for day in range(4, 14)]
    assert all(trail == trails[1] for trail in trails[1:9])
    assert trails[0] != trails[1]
    assert trails[9] != trails[8]
