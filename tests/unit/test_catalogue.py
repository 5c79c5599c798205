"""What a catalogue file may say, and how it answers when it says something else."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.feeds import located_yaml
from intelsec_assets.feeds.catalogue import (
    PUBLIC_CATALOGUE,
    Catalogue,
    CatalogueError,
    Contract,
    Credentials,
    catalogue_for,
    load_catalogue,
)

HEAD = "version: 1\nfirst_day: 2026-03-02\n"
FEED = """\
feeds:
  - name: list-one
    title: List one
    publisher: Somebody
    licence: CC0-1.0
    local: feeds/{day}.txt
    format: plain
    trust: B
    types: [domain]
"""


def load(tmp_path: Path, text: str) -> Catalogue:
    path = tmp_path / "catalogue.yaml"
    path.write_text(text, encoding="utf-8")
    return load_catalogue(path)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path, text)
    return str(caught.value)


def test_a_feed_of_a_known_format_is_an_entry_and_no_code(tmp_path):
    feed = load(tmp_path, HEAD + FEED).feed("list-one")
    assert (feed.asset_name, feed.trust_weight, feed.mode) == ("list_one", 0.75, "snapshot")
    assert feed.contract == Contract()


def test_defaults_fill_what_an_entry_leaves_open_and_contracts_merge_key_by_key(tmp_path):
    defaults = "defaults:\n  tlp: green\n  contract: {max_shrink: 0.3, min_rows: 5}\n"
    feed = load(tmp_path, HEAD + defaults + FEED + "    contract: {min_rows: 9}\n").feed("list-one")
    assert (feed.tlp, feed.contract.max_shrink, feed.contract.min_rows) == ("green", 0.3, 9)


def test_templates_are_taken_over_by_alias(tmp_path):
    templates = "templates:\n  t: &t {interval: 12h, tlp: amber, threat_type: c2}\n"
    text = HEAD + templates + FEED.replace("- name", "- <<: *t\n    tlp: green\n    name")
    feed = load(tmp_path, text).feed("list-one")
    assert (feed.interval, feed.tlp, feed.threat_type) == (timedelta(hours=12), "green", "c2")


def test_a_feed_is_due_between_its_dates_only(tmp_path):
    feed = load(tmp_path, HEAD + FEED + "    from: 2026-03-05\n    until: 2026-03-06\n").feed("list-one")
    assert [feed.is_due(date(2026, 3, d)) for d in (4, 5, 6, 7)] == [False, True, True, False]


def test_credentials_are_the_name_of_a_variable(tmp_path):
    text = HEAD + FEED.replace("local: feeds/{day}.txt", "url: https://x.example/a")
    text += "    credentials: {header: K, env: MY_KEY}\n"
    assert load(tmp_path, text).feed("list-one").credentials == Credentials("K", "MY_KEY")


def test_the_widest_networks_that_may_leave_are_a_setting(tmp_path):
    assert load(tmp_path, HEAD + FEED).export.widest_ipv4 == 12
    export = load(tmp_path, HEAD + FEED + "export: {widest_ipv4: 16, widest_ipv6: 32}\n").export
    assert (export.widest_ipv4, export.widest_ipv6) == (16, 32)
    message = refused(tmp_path, HEAD + FEED + "export: {widest_ipv4: 33}\n")
    assert "export.widest_ipv4: 33 is above the greatest value allowed, 32" in message


def test_an_unknown_key_is_named_with_file_line_and_what_was_meant(tmp_path):
    message = refused(tmp_path, HEAD + FEED + "    licens: MIT\n")
    assert f"{tmp_path / 'catalogue.yaml'}, line 12, feeds[0].licens: unknown key 'licens'" in message
    assert "did you mean 'licence'?" in message
    assert "allowed: name, title, publisher, licence, url" in message


def test_all_problems_are_told_at_once(tmp_path):
    text = HEAD + FEED.replace("trust: B", "trust: X").replace("[domain]", "[domian]") + "    interval: daily\n"
    message = refused(tmp_path, text)
    assert "3 problems" in message
    assert 'line 10, feeds[0].trust: \'X\' is not allowed; allowed: "A", "B"' in message
    assert "line 11, feeds[0].types[0]: 'domian' is not allowed" in message
    assert "line 12, feeds[0].interval: 'daily' does not have the form" in message


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("    licence: CC0-1.0\n", "", 4, "the key 'licence' is missing"),
        ("    local: feeds/{day}.txt\n", "", 4, "neither `url` nor `local` is given"),
        ("feeds/{day}.txt", "feeds/{date}.txt", 8, "unknown placeholder {date}; allowed: {day}, {yyyymmdd}"),
        ("feeds/{day}.txt", "feeds/{day.txt", 8, "unmatched brace"),
        ("feeds/{day}.txt", "../{day}.txt", 8, "leaves the data root"),
        ("feeds/{day}.txt", "/etc/passwd", 8, "is not a path below the data root"),
        ("local: feeds/{day}.txt", "url: ftp://x.example/a", 8, "is not an http or https URL"),
        ("local: feeds/{day}.txt", "url: https://me:pw@x.example/a", 8, "holds a user name or password"),
        ("trust: B", "trust: B\n    enabled: yes", 11, '"yes" is not true or false'),
        ("trust: B", "trust: B\n    trust: C", 11, "the key is given twice, first on line 10"),
        ("trust: B", "trust: B\n    from: 2026-02-30", 11, "is not a day of the calendar"),
        ("trust: B", "trust: B\n    from: 2026-03-09\n    until: 2026-03-08", 12, "lies before from 2026-03-09"),
        ("trust: B", "trust: B\n    contract: {min_rows: 5, max_rows: 4}", 11, "min_rows 5 is greater than max_rows 4"),
        ("trust: B", "trust: B\n    options: {coment: ';'}", 11, "unknown key 'coment'; did you mean 'comment'?"),
        ("format: plain", "format: csv", 4, "the key 'options' is missing"),
        (
            "format: plain",
            "format: csv\n    options: {header: false, columns: {value: ioc}}",
            10,
            "a file without header has no column names (value: ioc)",
        ),
        ("format: plain", "format: hosts\n    options: {comment: '#'}", 10, "unknown key 'comment'; allowed: none"),
        ("format: plain", "format: misp_feed\n    options: {events: some}", 10, "'some' is not allowed"),
        (
            "local: feeds/{day}.txt",
            "url: http://x.example/a\n    credentials: {header: K, env: my-key}",
            9,
            "'my-key' does not have the form",
        ),
        (
            "local: feeds/{day}.txt",
            "url: http://x.example/a\n    credentials: {header: K, env: KEY}",
            8,
            "credentials would travel unencrypted",
        ),
    ],
)
def test_a_feed_entry_that_cannot_be_used_is_told_with_its_line(tmp_path, old, new, line, words):
    message = refused(tmp_path, HEAD + FEED.replace(old, new))
    assert any(f"line {line}, feeds[0]" in part and words in part for part in message.splitlines()), message


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("protected: {networks: [192.0.2.5/24]}", "has host bits set; write 192.0.2.0/24"),
        ("protected: {networks: [somewhere]}", "is not an address or network"),
        ("protected: {domains: ['*.example.com']}", "is not a domain name"),
        ("export: {threshold: 1.5}", "above the greatest value allowed, 1"),
        ("warninglists: {policies: [{list: a, policy: drop, reason: r}]}", "'drop' is not allowed"),
        ("warninglists: {extra: [{name: a, local: ../a, policy: block, reason: r}]}", "leaves the data root"),
        ("colour: red", "unknown key 'colour'"),
    ],
)
def test_the_other_sections_are_checked_too(tmp_path, section, words):
    message = refused(tmp_path, HEAD + FEED + section + "\n")
    assert "line 12" in message
    assert words in message


def test_two_feeds_of_one_name_are_refused(tmp_path):
    message = refused(tmp_path, HEAD + FEED + FEED.removeprefix("feeds:\n"))
    assert "line 12, feeds[1].name: the name 'list-one' is already used on line 4" in message


def test_a_mistake_in_the_defaults_is_told_once_where_it_was_made(tmp_path):
    two = FEED + FEED.removeprefix("feeds:\n").replace("list-one", "list-two")
    message = refused(tmp_path, HEAD + "defaults:\n  tlp: white\n" + two)
    assert "1 problem " in message
    assert "line 4, defaults.tlp: 'white' is not allowed" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file holds no catalogue"),
        ("- 1\n- 2\n", "the file holds no catalogue"),
        ("version: 1\n  feeds: [\n", "line 2: not YAML"),
        ("a: &a [*a]\n", "an alias refers to what it is part of"),
        ("a: !!python/object/apply:os.system [ls]\n", "unknown key 'a'"),
        ("version: !!set 1\n", "the tag 'tag:yaml.org,2002:set' is not allowed"),
        ("[" * 5000, "nested deeper|not YAML"),
    ],
)
def test_what_is_no_catalogue_is_an_error_and_never_a_crash(tmp_path, text, words):
    message = refused(tmp_path, text)
    assert any(word in message for word in words.split("|")), message


def test_aliases_cannot_be_made_to_explode(tmp_path):
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert "aliases expand to more than the 100,000 values allowed" in refused(tmp_path, bomb)


def test_a_file_that_is_too_large_is_not_parsed(tmp_path):
    assert "larger than the 1,000,000 bytes" in refused(tmp_path, "# " + "x" * 1_000_000)


def test_text_that_is_not_utf8_is_told_with_its_line(tmp_path):
    path = tmp_path / "catalogue.yaml"
    path.write_bytes(b"version: 1\ntitle: caf\xe9\n")
    with pytest.raises(CatalogueError, match=r"line 2: not UTF-8"):
        load_catalogue(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CatalogueError, match=r"none\.yaml: cannot be read"):
        load_catalogue(tmp_path / "none.yaml")


def test_the_digest_follows_the_meaning_and_not_the_layout(tmp_path):
    first = load(tmp_path, HEAD + FEED)
    same = load(tmp_path, "# a comment\n" + HEAD + FEED.replace("types: [domain]", "types:\n      - domain"))
    other = load(tmp_path, HEAD + FEED.replace("trust: B", "trust: C"))
    assert first.digest == same.digest
    assert first.feeds[0].digest == same.feeds[0].digest
    assert first.digest != other.digest
    assert first.feeds[0].digest != other.feeds[0].digest


def test_an_unknown_feed_is_answered_with_the_names_there_are(tmp_path):
    with pytest.raises(CatalogueError, match=r"no feed 'x'; there are: list-one"):
        load(tmp_path, HEAD + FEED).feed("x")


def test_a_data_root_brings_its_own_catalogue_else_the_public_one_counts(tmp_path):
    assert catalogue_for(None) == catalogue_for(tmp_path) == PUBLIC_CATALOGUE
    (tmp_path / "catalogue.yaml").write_text(HEAD + FEED)
    assert catalogue_for(tmp_path) == tmp_path / "catalogue.yaml"


def test_the_public_catalogue_is_valid_and_says_who_publishes_what():
    catalogue = load_catalogue(PUBLIC_CATALOGUE)
    assert catalogue.first_day == date(2026, 5, 24)
    assert {"tweetfeed", "tweetfeed-misp", "tweetfeed-taxii", "threatfox-ips", "ipsum", "maltrail", "eset-misp"} < {
        feed.name for feed in catalogue.enabled_feeds
    }
    assert sum(feed.name.startswith("cps-") for feed in catalogue.enabled_feeds) == 24
    assert all(feed.publisher and feed.licence and (feed.url or feed.local) for feed in catalogue.feeds)
    assert all(rule.reason for rule in catalogue.warninglists.rules)


@given(st.text(max_size=300) | st.text(alphabet="{}[]:-#&*<! \n'\"ab01", max_size=80))
def test_no_text_makes_the_reader_raise(text):
    document = located_yaml.read_located_yaml(text)
    assert all(problem.line >= 1 for problem in document.problems)
