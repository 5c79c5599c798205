"""Texts as feeds, attackers and broken parsers write them, for the tests of the canonical form.

What is expected of them is said in the tests.
"""

from __future__ import annotations

import csv
from pathlib import Path

from hypothesis import strategies as st

from intelsec_assets.indicators.canonical import TYPES

# fmt: off
PIECES = (
    "http://", "https://", "hxxp://", "HXXPS[:]//", "http[://]", "ftp:", "fxp://", "//", "tcp://", "mailto:",
    "a", "b.com", "example.", "com", "EXAMPLE.COM", ".", "..", "[.]", "(dot)", "[dot]", "{.}", "[[.].]", "[at]",
    "@", "[:]", ":", "80", ":443", ":65536", "/", "?", "#", "%2e", "%41", "%zz", "%00", "%E3%80%82", "\\", "\t",
    "\n", " ", "\u200b", "\u200c", "\u200d", "\u00ad", "\ufeff", "ß", "ς", "Σ", "☕", "．", "。", "［", "（dot）",
    "xn--", "xn--53h.us", "--", "-", "_", "0x7f", "010", "1", "255", "256", "0", "1.2.3.4", "0.0.0.0", "::",
    "[", "]", "2001:db8::1", "2001:DB8:0:0::", "::ffff:1.2.3.4", "%eth0", "/24", "/032", "/255.255.0.0", "…",
    "...", "'", '"', "<", ">", ",", ";", "{", "}", "(", ")", "|", "^", "`", "~", "!", "$", "&", "*", "+", "=",
    "é", "É", "א", "1א", "क\u094d\u200d", "\ud800", "\udcff", "\x00", "\x7f", "user:pw@", "A" * 64,
    "deadbeef" * 4, "DEADBEEF" * 8, "１", "ｈ", "℀", "⑴", "\u3000", "\u0300", "\U0001f600", "／", "：", "＠", "０",
    "login.php", "index.html?id=1&x=2",
)
# fmt: on

assembled = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)
# surrogates too: hypothesis leaves them out unless asked
anything = st.text(st.characters(), max_size=60)
texts = st.one_of(assembled, anything)
declared_types = st.one_of(st.none(), st.sampled_from(TYPES))

_label = st.from_regex(r"[a-z0-9_ßéא☕A-Z-]{1,12}", fullmatch=True)
names = st.builds(
    lambda labels, top, end: ".".join([*labels, top]) + end,
    st.lists(_label, min_size=1, max_size=4),
    st.sampled_from(["com", "org", "co.uk", "рф", "xn--p1ai", "COM", "4"]),
    st.sampled_from(["", "", "", "."]),
)
_path_piece = st.sampled_from(
    [*"/.?=&%#\\ '\"<>`{}|^~!$*+,;:@()", "%2e", "%2E%2e", "../", "./", "a", "B", "é", "☕", "%41", "x.php", "[.]"]
)
urls = st.builds(
    lambda scheme, credentials, host, port, path: scheme + credentials + host + port + path,
    st.sampled_from(["http://", "https://", "HTTP://", "http:", "http:\\\\", "https:///", "ftp://", "ws://", "wss://"]),
    st.sampled_from(["", "", "", "user@", "u:p@", "@"]),
    st.one_of(
        names, st.sampled_from(["1.2.3.4", "0x7f.1", "010.0.0.1", "16909060", "[2001:DB8::0:1]", "[::ffff:1.2.3.4]"])
    ),
    st.sampled_from(["", "", "", ":", ":80", ":443", ":8080", ":00080", ":99999"]),
    st.one_of(st.just(""), st.lists(_path_piece, max_size=8).map(lambda pieces: "/" + "".join(pieces))),
)


def real_values(root: Path) -> list[tuple[str, str | None]]:
    """Distinct (value, declared type) of the richest real feeds: TweetFeed, two lists of Critical Path, Maltrail."""
    found: set[tuple[str, str | None]] = set()
    feeds = root / "feeds"
    for path in sorted((feeds / "tweetfeed" / "daily").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            found.update((row[3], {"ip": "ipv4"}.get(row[2], row[2])) for row in csv.reader(stream) if len(row) > 3)
    plain = [*feeds.glob("criticalpath/*/AtomSpam.txt"), *feeds.glob("criticalpath/*/predict.txt")]
    for path in [*plain, *feeds.glob("maltrail/**/*.txt")]:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        found.update((line.partition("#")[0].strip(), None) for line in lines if line and not line.startswith("#"))
    return sorted(found, key=lambda pair: (pair[0], pair[1] or ""))
