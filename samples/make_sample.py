"""Write the bundled sample: `python samples/make_sample.py [--out DIR]` makes samples/data anew, always the same bytes.

The warninglists are defined here; what the feeds say is in `*_publishers.py`, the clouds' logs in `audit_*.py`,
the cast and the calendar in `story.py`.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import audit_story
import exchange_publishers as exchange
import list_publishers as lists
import story
import wire_formats as wire

HERE = Path(__file__).resolve().parent
_ADDRESSES = ["ip-src", "ip-dst", "domain|ip", "ip-src|port", "ip-dst|port"]
_NAMES = ["domain", "hostname", "domain|ip", "url"]
_HASHES = ["md5", "sha1", "sha256", "filename|md5", "filename|sha1", "filename|sha256"]


PUBLISHERS: dict[str, Callable[[date], lists.Files]] = {
    "harbour-phish": lists.harbour_phish,
    "foundry-c2": lists.foundry_c2,
    "tally-list": lists.tally_list,
    "quay-hosts": lists.quay_hosts,
    "lighthouse-misp": exchange.lighthouse_misp,
    "orchard-events": exchange.orchard_events,
    "beacon-taxii": exchange.beacon_taxii,
    "summit-stix": exchange.summit_stix,
    "workshop-trails": lists.workshop_trails,
    "magpie-list": lists.magpie_list,
}


def warninglists() -> dict[str, dict[str, Any]]:
    """File stem -> MISP warninglist, one of each type. None holds a documentation range: the story lives there."""
    private = ["10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
    popular = ["example.com", "example.net", "example.org", "localhost", "searchlight.test", "sharedpages.test"]
    empty = sorted(story.EMPTY_FILE.values())
    roles = [r"/^(abuse|noc|postmaster|security)\@.*\..*$/i"]
    lists_of_the_sample = {
        "watchtower-scanning": ("Watchtower survey scanners", "cidr", _ADDRESSES, [story.SCANNER_NETWORK]),
        "private-ranges": ("Private and loopback ranges", "cidr", _ADDRESSES, private),
        "synthetic-top-sites": ("Most used sites of the sample's world", "hostname", _NAMES, popular),
        "shared-hosting": (
            "Shared hosting of the sample's world",
            "substring",
            _NAMES,
            ["filebarn.test", "sharedpages.test"],
        ),
        "empty-hashes": ("Hashes of the empty file", "string", _HASHES, empty),
        "role-mailboxes": ("Mailboxes kept for reports", "regex", ["email-src", "email-dst"], roles),
    }
    return {
        stem: {
            "description": f"{name} (bundled sample)",
            "list": values,
            "matching_attributes": attributes,
            "name": name,
            "type": kind,
            "version": 20260301,
        }
        for stem, (name, kind, attributes, values) in lists_of_the_sample.items()
    }


def sample() -> dict[str, bytes]:
    """Every file of the sample: path below samples/data -> content."""
    files = {"catalogue.yaml": (HERE / "catalogue.yaml").read_bytes()}
    for stem, warninglist in warninglists().items():
        files[f"warninglists/{stem}.json"] = wire.json_text(warninglist, 2).encode() + b"\n"
    tidepool = f"# Tidepool survey, announced by its operator\n{story.SECOND_SCANNER}\n"
    files["lists/tidepool-survey.txt"] = tidepool.encode()
    for feed, publish in PUBLISHERS.items():
        for day in story.DAYS:
            files |= {f"feeds/{feed}/{path}": content for path, content in publish(day).items()}
    return files | audit_story.files()


def write(out: Path) -> int:
    """Replace `out` with the sample; bytes written. Refuses a folder that holds something else."""
    if out.exists() and any(out.iterdir()) and not (out / "catalogue.yaml").is_file():
        raise SystemExit(f"{out} holds something that is not a sample (no catalogue.yaml): choose an empty folder")
    shutil.rmtree(out, ignore_errors=True)
    files = sample()
    for path, content in files.items():
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return sum(map(len, files.values()))


def main() -> None:
    """Parse the arguments and write."""
    parser = argparse.ArgumentParser(description="Write the bundled sample data, the same bytes every time.")
    parser.add_argument("--out", type=Path, default=HERE / "data", help="folder to replace (default: samples/data)")
    out = parser.parse_args().out
    print(f"{write(out):,} bytes in {out}")


if __name__ == "__main__":
    main()
