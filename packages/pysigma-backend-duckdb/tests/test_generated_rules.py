"""Generated rules over generated events: our SQL in DuckDB, the sqlite backend in sqlite3 and the reference agree."""

import json
import os

import sigma_reference as reference
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sigma_engines import duckdb_matches, parsed, rule, sqlite_matches

FIELDS = ["fa", "fb", "fc"]
EXAMPLES = int(os.environ.get("SIGMA_EXAMPLES", "25"))  # each is some fifty pairs of a rule and an event
QUIET = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

# what sets the engines apart is left out here and stated one by one in test_differences.py
ASCII = "aAbB%_\\'\"[]^.-/ 1"
UNICODE = ASCII + "éÉßİıſK☃😀\n\t"


def texts(alphabet, size=6):
    return st.text(alphabet, max_size=size)


def patterns(alphabet):
    """Sigma strings: text, escaped wildcards and wildcards."""
    return st.lists(st.sampled_from([*alphabet, "*", "?", r"\*", r"\?", "\\\\", "ab", "aB%"]), max_size=5).map("".join)


NUMBERS = st.one_of(st.integers(-5, 12), st.sampled_from([0.5, -1.25, 10.0, 4624, 2**53]))
NUMBER_TEXTS = st.sampled_from(
    [
        "5",
        "5.0",
        "10",
        "9",
        "-1.25",
        "05",
        "1e1",
        "1e999",
        "nan",
        "inf",
        " 5",
        "5 ",
        "0x5",
        "1_0",
        "",
        "five",
        "4624",
        "-0",
    ]
)
NETWORKS = st.sampled_from(
    [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.1.128/25",
        "0.0.0.0/0",
        "10.1.2.3/32",
        "2001:db8::/32",
        "fe80::/10",
        "::/0",
        "::ffff:0:0/96",
        "2001:db8::1/128",
    ]
)
ADDRESSES = st.sampled_from(
    [
        "10.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "172.32.0.0",
        "192.168.1.127",
        "192.168.1.128",
        "11.0.0.0",
        "10.1.2",
        "10.1.2.3.4",
        "10.1.2.03",
        "10.1.2.256",
        "10.evil.example",
        "a.b.c.d",
        "2001:db8::1",
        "2001:0DB8:0:0::1",
        "2001:db9::",
        "2001:db8:::1",
        "fe80::1%eth0",
        "fe80::1%",
        "febf:ffff::",
        "fec0::",
        "::",
        "::1",
        "::ffff:10.1.2.3",
        "::FFFF:10.1.2.3",
        "0:0:0:0:0:ffff:10.1.2.3",
        "::ffff:a01:203",
        "::10.1.2.3",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7::",
        "1::2::3",
        "1:2:3:4:5:6:7:8:9",
        "::g",
        "12345::",
        "2001:db8::10.1.2.300",
        "cloudtrail.amazonaws.com",
        "",
        ":",
        "10.1.2.3\n",
    ]
)
TIMES = st.sampled_from(
    [
        "2024-03-05T01:02:03Z",
        "2024-03-05T23:59:59+02:00",
        "2024-12-30T00:30:00-01:00",
        "2024-03-05 07:08:09",
        "2024-01-01",
        "never",
        "2023-01-01T00:00:00Z",
    ]
)


@st.composite
def items(draw, alphabet, *, everywhere):
    """One detection item; `everywhere` leaves out what the sqlite backend does otherwise."""
    field = draw(st.sampled_from(FIELDS))
    some = lambda values: st.one_of(values, st.lists(values, min_size=1, max_size=12))  # noqa: E731
    kinds = [
        "plain",
        "contains",
        "startswith",
        "endswith",
        "cased",
        "cased|contains",
        "all",
        "exists",
        "null",
        "neq",
        "number",
        "windash",
        "base64",
        "base64offset",
    ]
    kinds += ["fieldref", "fieldref|contains", "fieldref|startswith", "fieldref|endswith", "re"]
    if not everywhere:
        kinds += [
            "cidr",
            "gt",
            "gte",
            "lt",
            "lte",
            "bool",
            "hour",
            "minute",
            "day",
            "week",
            "month",
            "year",
            "wide",
            "any number",
        ]
    kind = draw(st.sampled_from(kinds))
    pattern = patterns(alphabet)
    match kind:
        case "plain":
            return {field: draw(some(pattern))}
        case "contains" | "startswith" | "endswith" | "cased" | "cased|contains" | "windash" | "neq":
            return {f"{field}|{kind}": draw(some(pattern))}
        case "all":
            return {f"{field}|contains|all": draw(st.lists(pattern, min_size=2, max_size=3))}
        case "exists":
            return {f"{field}|exists": draw(st.booleans())}
        case "null":
            return {field: draw(st.one_of(st.none(), st.tuples(st.none(), pattern).map(list)))}
        case "number":
            return {field: draw(some(st.integers(0, 12)))}
        case "any number":
            return {field: draw(some(NUMBERS))}
        case "bool":
            return {field: draw(st.booleans())}
        case "base64" | "base64offset" | "wide":
            return {f"{field}|{kind}|contains": draw(some(texts("abcAB1", 4).filter(bool)))}
        case "fieldref" | "fieldref|contains" | "fieldref|startswith" | "fieldref|endswith":
            return {f"{field}|{kind}": draw(st.sampled_from(FIELDS))}
        case "re":
            flags = draw(st.sampled_from(["", "|i", "|m", "|s", "|i|m|s"]))
            pieces = st.sampled_from(
                ["a", "A", "b", ".", ".*", "'", '"', "%", "_", r"\\", "[ab]+", "(a|B)", "^", r"\.", r"\d", "\\s", "é"]
            )
            return {
                f"{field}|re{flags}": draw(
                    st.lists(pieces, min_size=1, max_size=4).map("".join).filter(lambda p: "^*" not in p)
                )
            }
        case "cidr":
            return {f"{field}|cidr": draw(some(NETWORKS))}
        case "gt" | "gte" | "lt" | "lte":
            return {f"{field}|{kind}": draw(NUMBERS)}
    limits = {
        "hour": (0, 23),
        "minute": (0, 59),
        "day": (1, 31),
        "week": (1, 53),
        "month": (1, 12),
        "year": (2023, 2024),
    }
    return {f"{field}|{kind}": draw(st.integers(*limits[kind]))}


@st.composite
def rules(draw, alphabet, *, everywhere):
    """Detections and a condition over them."""
    detection = {}
    for name in ["sel_a", "sel_b", "filter"]:
        chosen = draw(st.lists(items(alphabet, everywhere=everywhere), min_size=1, max_size=2))
        detection[name] = (
            {key: value for item in chosen for key, value in item.items()} if draw(st.booleans()) else chosen
        )
    if draw(st.integers(0, 4)) == 0:
        words = texts("abAB1%_ '", 3).filter(bool)
        detection["words"] = draw(
            st.lists(
                words
                if everywhere
                else st.one_of(words, st.integers(0, 12), texts(alphabet).filter(lambda t: t.strip("*?"))),
                min_size=1,
                max_size=3,
            )
        )
    condition = draw(
        st.sampled_from(
            [
                "sel_a",
                "sel_a and not filter",
                "not sel_a",
                "1 of sel_*",
                "all of sel_*",
                "not (sel_a or filter)",
                "not (sel_a and not filter)",
                "1 of them",
                "all of them",
                "not 1 of sel_*",
                "sel_a or not sel_b and filter",
            ]
        )
    )
    return rule(detection, condition)


@st.composite
def events(draw, alphabet, *, everywhere):
    text = texts(alphabet)
    if not everywhere:
        text = st.one_of(
            text, NUMBER_TEXTS, ADDRESSES, TIMES, st.sampled_from(["true", "False", "1", "YWFi", "a\0b\0"])
        )
    else:
        text = st.one_of(text, st.sampled_from(["1", "5", "11", "YWFi", "xYWJhx"]))
    event = {field: draw(st.one_of(st.none(), text)) for field in FIELDS}
    inner = {"k": event["fa"], "aB": [event["fb"], {"b": draw(st.one_of(text, st.booleans(), st.integers(0, 12)))}]}
    event["event"] = draw(
        st.one_of(
            st.none(),
            st.just(json.dumps(inner)),
            st.just(json.dumps(inner, ensure_ascii=False)),
            st.just("{broken aB1"),
        )
    )
    return event


def expected(written, happened):
    understood = [parsed(one).rules[0] for one in written]
    return [[reference.rule_matches(each, event) for event in happened] for each in understood]


def batches(alphabet, *, everywhere):
    return st.lists(rules(alphabet, everywhere=everywhere), min_size=3, max_size=8), st.lists(
        events(alphabet, everywhere=everywhere), min_size=4, max_size=12
    )


@QUIET
@given(*batches(UNICODE, everywhere=False))
def test_our_sql_means_what_the_reference_means(written, happened):
    assert duckdb_matches(written, happened) == expected(written, happened)


@QUIET
@given(*batches(ASCII, everywhere=True))
@example([rule({"selection": {"fa": "x"}}, "not selection")], [{"fa": None, "event": None}])
def test_our_sql_the_sqlite_backend_and_the_reference_agree(written, happened):
    ours = duckdb_matches(written, happened)
    assert ours == expected(written, happened)
    assert sqlite_matches(written, happened) == ours


@settings(QUIET, max_examples=max(10, EXAMPLES // 4))
@given(*batches(UNICODE, everywhere=False))
def test_what_a_rule_needs_for_a_match_is_there_in_every_match(written, happened):
    from sigma.backends.duckdb import DuckDBBackend, compile_ruleset

    for one, results in zip(written, expected(written, happened), strict=True):
        necessary = compile_ruleset(parsed(one), DuckDBBackend()).rules[0].necessary
        for event, matched in zip(happened, results, strict=True):
            if matched:
                assert all(reference.lower(event[field]) in values for field, values in necessary.items())
