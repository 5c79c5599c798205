"""Generated correlations over generated events: bursts as the reference has them, windows as the sqlite backend has.

Times are drawn so that events often lie exactly one timespan apart, or one second more.
"""

import os
from collections import Counter
from datetime import datetime

import pytest
import sigma_reference as reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sigma.backends.duckdb import DuckDBBackend
from sigma.backends.duckdb.correlation import rule_id
from sigma.backends.duckdb.ruleset import compile_ruleset
from sigma_engines import duckdb_bursts, instant, parsed, rule, sqlite_alerts

SPAN = 60
EXAMPLES = int(os.environ.get("SIGMA_EXAMPLES", "40"))
QUIET = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
NAMES = ["ra", "rb", "rc"]
BASES = [rule({"selection": {"kind|contains": name[1]}}, title=name) for name in NAMES]
VALUES = ["1", "2", "3", "10", "x", "X", None]


def correlation(kind, rules, condition, *, title="correlation", **more):
    """A correlation rule as YAML would have it."""
    inner = {
        "type": kind,
        "timespan": f"{SPAN}s",
        "condition": condition,
        **({"rules": rules} if rules else {}),
        **more,
    }
    return {"title": title, "name": title, "correlation": inner}


@st.composite
def events(draw, most=14):
    gaps = st.sampled_from([0, 1, 20, 30, SPAN - 1, SPAN, SPAN + 1, 3 * SPAN])
    kinds, users = st.sampled_from(["a", "b", "c", "ab", "-"]), st.sampled_from(["u", "U", "v", None])
    rows = draw(st.lists(st.tuples(gaps, kinds, users, st.sampled_from(VALUES)), min_size=1, max_size=most))
    t, happened = 0, []
    for place, (gap, kind, user, value) in enumerate(rows):
        t += gap
        happened.append({"id": f"e{place:02}", "t": t, "kind": kind, "user": user, "account": user, "n": value})
    return happened


def thresholds(low, high):
    return st.tuples(st.sampled_from(["gte", "gt", "lt", "lte", "eq", "neq"]), st.integers(low, high)).map(
        lambda pair: {pair[0]: pair[1]}
    )


@st.composite
def correlations(draw):
    kind = draw(
        st.sampled_from(
            [
                "event_count",
                "value_count",
                "temporal",
                "temporal_ordered",
                "extended",
                "extended_ordered",
                "value_sum",
                "value_avg",
                "value_median",
                "value_percentile",
            ]
        )
    )
    rules = draw(st.sampled_from([["ra"], ["ra", "rb"], ["rb", "ra"], ["ra", "rb", "rc"]]))
    more = {"group-by": draw(st.sampled_from([["user"], ["user", "n"], ["who"]]))} if draw(st.integers(0, 3)) else {}
    if more.get("group-by") == ["who"]:
        more["aliases"] = {"who": {name: ["user", "account"][place % 2] for place, name in enumerate(rules)}}
    match kind:
        case "event_count" | "temporal":
            return correlation(kind, rules, draw(thresholds(1, 4)), **more)
        case "value_count":
            return correlation(kind, rules, {**draw(thresholds(1, 3)), "field": "n"}, **more)
        case "temporal_ordered":
            least = draw(st.integers(1, len(rules)))
            return correlation(kind, rules, draw(st.sampled_from([{"gte": least}, {"gt": least - 1}])), **more)
        case "extended" | "extended_ordered":
            more.pop("aliases", None)
            if more.get("group-by") == ["who"]:
                more["group-by"] = ["user"]
            texts = [
                "ra and rb",
                "ra or rb",
                "ra and rb and rc",
                "ra and not rb",
                "rb and not ra",
                "ra and rb and not rc",
                "(ra or rb) and rc",
                "ra and (rb or not rc)",
                "ra and not (rb or rc)",
                "(ra and rb) or (rb and rc)",
            ]
            return correlation(
                "temporal" if kind == "extended" else "temporal_ordered", [], draw(st.sampled_from(texts)), **more
            )
        case _:
            condition = {**draw(thresholds(1, 14)), "field": "n"}
            if kind == "value_percentile":
                condition["percentile"] = draw(st.sampled_from([0, 25, 90, 100]))
            return correlation(kind, rules, condition, **more)


def expected(documents, happened):
    """Bursts of the last rule, by the reference."""
    collection = parsed(*documents)
    collection.resolve_rule_references()
    base = {r.name: r for r in collection.rules if hasattr(r, "detection")}
    matches = {
        name: [(e["id"], e["t"], e) for e in happened if reference.rule_matches(r, e)] for name, r in base.items()
    }
    last = next(r for r in collection.rules if r.name == documents[-1]["name"])
    return reference.correlate(last, matches, max(e["t"] for e in happened))


def plain(rows):
    """Rows of our statement in the reference's words."""
    return Counter(
        (tuple(groups), tuple(ids), count, round(value, 9)) for groups, _first, _last, ids, count, value in rows
    )


def in_words(bursts):
    return Counter((b.group, tuple(i for _, i in b.events), len(b.events), round(float(b.value), 9)) for b in bursts)


def could_burst(documents, happened):
    """What is said of the last correlation by the numbers of matches alone."""
    collection = parsed(*documents)
    compiled = compile_ruleset(collection, DuckDBBackend())
    counts = {
        rule_id(one): sum(reference.rule_matches(one, e) for e in happened)
        for one in collection.rules
        if hasattr(one, "detection")
    }
    return next(c for c in compiled.correlations if c.title == documents[-1]["title"]).can_burst(counts)


@pytest.mark.parametrize(
    ("written", "too_few", "enough"),
    [
        (("event_count", ["ra", "rb"], {"gte": 3}), {"ra": 1, "rb": 1}, {"ra": 1, "rb": 2}),
        (("event_count", ["ra"], {"gt": 3}), {"ra": 3}, {"ra": 4}),
        (("event_count", ["ra"], {"lt": 3}), {"ra": 0}, {"ra": 9}),
        (("value_count", ["ra"], {"gte": 2, "field": "n"}), {"ra": 1}, {"ra": 2}),
        (("temporal", ["ra", "rb", "rc"], {"gte": 2}), {"ra": 9}, {"ra": 1, "rc": 1}),
        (("temporal_ordered", ["ra", "rb"], {"gte": 2}), {"rb": 5}, {"ra": 1, "rb": 1}),
        (("temporal", [], "ra and not rb"), {"rb": 1}, {"ra": 1, "rb": 1}),
    ],
)
def test_whether_a_burst_can_be_is_told_by_the_numbers_of_matches(written, too_few, enough):
    collection = parsed(*BASES, correlation(*written))
    (compiled,) = compile_ruleset(collection, DuckDBBackend()).correlations
    ids = {one.name: rule_id(one) for one in collection.rules}
    assert not compiled.can_burst({ids[name]: number for name, number in too_few.items()})
    assert compiled.can_burst({ids[name]: number for name, number in enough.items()})


@QUIET
@given(correlations(), events())
def test_bursts_are_those_of_the_reference(written, happened):
    documents = [*BASES, written]
    rows = duckdb_bursts(documents, happened)
    assert plain(rows) == in_words(expected(documents, happened))
    assert not rows or could_burst(documents, happened)
    times = {e["id"]: datetime.fromisoformat(instant(e["t"])) for e in happened}
    for _groups, first, last, ids, _count, _value in rows:
        assert (first, last) == (times[ids[0]], times[ids[-1]])


@QUIET
@given(correlations(), events())
def test_windows_of_the_sqlite_backend_make_up_our_bursts(written, happened):
    documents = [*BASES, written]
    ours = duckdb_bursts(documents, happened)
    alerts = sqlite_alerts(documents, happened)
    is_ordered = written["correlation"]["type"] == "temporal_ordered"
    reached = [set() for _ in ours]
    for groups, _start, _end, ids in alerts:
        homes = [
            place for place, row in enumerate(ours) if tuple(map(str.lower, row[0])) == groups and ids <= set(row[3])
        ]
        assert len(homes) == 1 or not ids
        reached[homes[0]] |= ids
    for row, ids in zip(ours, reached, strict=True):
        # in an order the sqlite backend names the earliest chain of a window, we name every step
        assert ids
        assert ids <= set(row[3]) if is_ordered else ids == set(row[3])


@settings(QUIET, max_examples=max(10, EXAMPLES // 2))
@given(correlations(), st.sampled_from(["event_count", "temporal_ordered", "value_count", "temporal"]), events())
def test_bursts_of_a_correlation_over_a_correlation_are_those_of_the_reference(written, outer, happened):
    grouped = "user" in written["correlation"].get("group-by", [])
    more = {"group-by": ["user"]} if grouped else {}
    condition = {"gte": 2} if outer != "value_count" else {"gte": 1, "field": "user"}
    if outer == "value_count" and not grouped:
        outer, condition = "event_count", {"gte": 2}
    rules = ["correlation"] if outer in ("event_count", "value_count") else ["correlation", "rc"]
    documents = [*BASES, written, correlation(outer, rules, condition, title="outer", **more)]
    bursts = duckdb_bursts(documents, happened)
    assert plain(bursts) == in_words(expected(documents, happened))
    assert not bursts or could_burst(documents, happened)
