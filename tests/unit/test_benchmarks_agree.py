"""The benchmark's peer gives the same answer: a plain pandas script and the project, row for row on a few small feeds.

How fast either is belongs to `python -m benchmarks`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.agreement import differences
from benchmarks.feeds_intelsec import score_all, write_tables
from benchmarks.recorded_feeds import recordings
from intelsec_assets.engine import session

pytestmark = pytest.mark.needs("pandas")

TWEETS = (
    "2026-08-21 09:00:00,someone,url,hxxp://Login.Shop-example.COM/a,#Phishing #acme,https://x.test/1\n"
    "2026-08-21 09:05:00,someone,domain,b.shop-example.com,,https://x.test/2\n"
    "2026-08-21 10:00:00,other,ip,203.0.113.7,#c2,https://x.test/3\n"
    "2026-08-21 11:00:00,other,domain,not_a_domain..com,#c2,https://x.test/4\n"
)
EVENT = {
    "Event": {
        "info": "A campaign",
        "uuid": "8a1c1f4e-0000-4000-8000-000000000001",
        "Tag": [{"name": "tlp:white"}],
        "Attribute": [
            {"type": "domain|ip", "value": "c.example.org|203.0.113.9", "to_ids": True, "timestamp": "1500000000"},
            {"type": "text", "value": "only words", "to_ids": False, "timestamp": "1500000000"},
        ],
    }
}


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    """Recorded feeds in the places of the public catalogue: two days, overlapping lists, rows that are refused."""
    files = {
        "feeds/tweetfeed/daily/20260821.csv": TWEETS,
        "feeds/tweetfeed/daily/20260822.csv": TWEETS.replace("2026-08-21", "2026-08-22").replace(
            "203.0.113.7", "203.0.113.8"
        ),
        "feeds/threatfox_ips/2026-08-21.txt": "203.0.113.7\n203.0.113.9\n999.1.1.1\n",
        "feeds/threatfox_ips/2026-08-22.txt": "203.0.113.7\n2001:db8::1\n",
        "feeds/ipsum/ipsum.txt": "# comment\n#\n203.0.113.7\t4\n198.51.100.1\t1\n",
        "feeds/maltrail/malware/acme.txt": "# reference\nevil.example.org\nB.shop-example.com # seen twice\n",
        "feeds/tweetfeed/misp/manifest.json": json.dumps({EVENT["Event"]["uuid"]: {"date": "2026-08-22"}}),
        f"feeds/tweetfeed/misp/{EVENT['Event']['uuid']}.json": json.dumps(EVENT),
        "feeds/eset_misp/one.json": json.dumps(EVENT),
    }
    for name, text in files.items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "data"


@pytest.fixture
def answers(feeds: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Folders with the tables of the project and of the script."""
    from benchmarks import feeds_pandas

    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    recorded = recordings(feeds)
    ours.mkdir()
    theirs.mkdir()
    with session() as con:
        score_all(con, recorded)
        write_tables(con, ours)
    feeds_pandas.write_tables(feeds_pandas.tables(recorded), theirs)
    return ours, theirs


def test_the_script_and_the_project_make_the_same_tables(answers: tuple[Path, Path]) -> None:
    assert differences(*answers) == dict.fromkeys(("observations", "rejected", "indicators", "scores", "decisions"), 0)


def test_the_comparison_sees_a_changed_score_and_a_missing_row(answers: tuple[Path, Path]) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    ours, theirs = answers
    change(
        theirs / "scores.parquet",
        lambda t: t.set_column(t.column_names.index("score"), "score", pc.add(t["score"], 1e-6)),
    )
    change(theirs / "rejected.parquet", lambda t: t.slice(1))
    found = differences(ours, theirs)
    assert found["scores"] == pq.read_metadata(ours / "scores.parquet").num_rows
    assert found["rejected"] == 1


def change(file: Path, by: Callable) -> None:
    import pyarrow.parquet as pq

    pq.write_table(by(pq.read_table(file)), file)
