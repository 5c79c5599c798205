"""Each correlation type by one example at the edge of its window, and how correlations are put together."""

import time

import duckdb
import pytest
from sigma.backends.duckdb import DuckDBBackend, compile_ruleset
from sigma.exceptions import (
    SigmaCorrelationConditionError,
    SigmaCorrelationRuleError,
    SigmaFeatureNotSupportedByBackendError,
)
from sigma_engines import duckdb_bursts, parsed
from test_generated_correlations import BASES, SPAN, correlation

BY_USER = {"group-by": ["user"]}


def bursts(written, *events, bases=BASES):
    """(group, event ids, value) of each burst; an event is (seconds, kind, field values)."""
    happened = [
        {"id": f"e{place}", "t": t, "kind": kind, "user": "u", "n": None, **more}
        for place, (t, kind, *rest) in enumerate(events)
        for more in [rest[0] if rest else {}]
    ]
    return [
        (row[0], row[3], row[5])
        for row in duckdb_bursts([*bases, *(written if isinstance(written, list) else [written])], happened)
    ]


def n(value):
    return {"n": value}


# type: (condition, rules, events that satisfy it, value, events that do not)
TYPES = {
    "event_count": ({"gte": 2}, ["ra"], [(0, "a"), (SPAN, "a")], 2, [(0, "a"), (SPAN + 1, "a")]),
    "value_count": (
        {"gte": 2, "field": "n"},
        ["ra"],
        [(0, "a", n("x")), (SPAN, "a", n("y"))],
        2,
        [(0, "a", n("x")), (1, "a", n("X")), (SPAN + 2, "a", n("y")), (SPAN + 3, "a")],
    ),
    "temporal": ({"gte": 2}, ["ra", "rb"], [(0, "b"), (SPAN, "a")], 2, [(0, "b"), (SPAN + 1, "a")]),
    "temporal_ordered": ({"gte": 2}, ["ra", "rb"], [(0, "a"), (SPAN, "b")], 2, [(0, "a"), (0, "b"), (SPAN + 1, "b")]),
    "value_sum": (
        {"gt": 10, "field": "n"},
        ["ra"],
        [(0, "a", n("5.5")), (SPAN, "a", n("6"))],
        11.5,
        [(0, "a", n("6")), (1, "a", n("ten")), (SPAN + 1, "a", n("6"))],
    ),
    "value_avg": (
        {"gte": 5, "field": "n"},
        ["ra"],
        [(0, "a", n("4")), (SPAN, "a", n("6"))],
        5,
        [(0, "a", n("4")), (1, "a")],
    ),
    "value_median": (
        {"gte": 5, "field": "n"},
        ["ra"],
        [(0, "a", n("1")), (1, "a", n("5")), (SPAN, "a", n("100"))],
        5,
        [(0, "a", n("1")), (1, "a", n("2")), (2, "a", n("100"))],
    ),
    "value_percentile": (
        {"gte": 9, "field": "n", "percentile": 90},
        ["ra"],
        [(t, "a", n(str(t))) for t in range(11)],
        9,
        [(t, "a", n(str(t))) for t in range(10)],
    ),
    "temporal, extended": ("ra and (rb or rc)", [], [(0, "c"), (SPAN, "a")], 2, [(0, "b"), (1, "c"), (SPAN + 2, "a")]),
    "temporal_ordered, extended": (
        "ra and rb and not rc",
        [],
        [(0, "a"), (SPAN, "b"), (SPAN + 1, "c"), (3 * SPAN, "-a")],
        2,
        [(0, "a"), (1, "b"), (SPAN, "c"), (3 * SPAN, "c")],
    ),
}


@pytest.mark.parametrize("name", TYPES)
def test_type(name):
    condition, rules, satisfied, value, not_satisfied = TYPES[name]
    written = correlation(name.split(",")[0], rules, condition, **BY_USER)
    found = bursts(written, *satisfied)
    assert (found[0][0], found[0][2]) == (["u"], value)
    assert bursts(written, *not_satisfied) == []


def test_absence_is_not_judged_before_the_window_is_over():
    written = correlation("temporal", [], "ra and not rb")
    assert bursts(written, (0, "a"), (SPAN - 1, "c")) == []
    assert bursts(written, (0, "a"), (SPAN, "c")) == [([], ["e0"], 1)]
    assert bursts(written, (0, "a"), (SPAN, "b")) == []


def test_windows_slide_over_every_border():
    written = correlation("event_count", ["ra"], {"gte": 3})
    # 3 events within a minute, whatever minute of the clock or bucket they are in
    assert [ids for _, ids, _ in bursts(written, (50, "a"), (70, "a"), (109, "a"))] == [["e0", "e1", "e2"]]


def test_windows_that_overlap_are_one_burst_and_others_are_not():
    written = correlation("event_count", ["ra"], {"gte": 2})
    events = [(0, "a"), (SPAN, "a"), (2 * SPAN, "a"), (4 * SPAN, "a"), (4 * SPAN + 1, "a")]
    assert [ids for _, ids, _ in bursts(written, *events)] == [["e0", "e1", "e2"], ["e3", "e4"]]


def test_groups_ignore_case_and_show_the_first_spelling():
    written = correlation("event_count", ["ra"], {"gte": 2}, **BY_USER)
    events = [(0, "a", {"user": "Bob"}), (1, "a", {"user": "BOB"}), (2, "a", {"user": None}), (3, "a", {"user": None})]
    assert bursts(written, *events) == [(["Bob"], ["e0", "e1"], 2)]


def test_aliases_name_one_thing_in_different_fields():
    more = {"group-by": ["who"], "aliases": {"who": {"ra": "user", "rb": "account"}}}
    written = correlation("temporal", ["ra", "rb"], {"gte": 2}, **more)
    events = [(0, "a", {"user": "x", "account": "y"}), (1, "b", {"user": "z", "account": "X"})]
    assert bursts(written, *events) == [(["x"], ["e0", "e1"], 2)]


def test_an_event_of_two_rules_counts_once():
    assert bursts(correlation("event_count", ["ra", "rb"], {"gte": 2}), (0, "ab")) == []


def test_two_of_three_steps_in_order():
    written = correlation("temporal_ordered", ["ra", "rb", "rc"], {"gte": 2})
    assert [ids for _, ids, _ in bursts(written, (0, "b"), (1, "a"), (2, "c"))] == [["e0", "e1", "e2"]]
    assert bursts(written, (0, "c"), (1, "b"), (2, "a")) == []


def test_what_came_before_the_first_step_is_no_evidence():
    written = correlation("temporal_ordered", ["ra", "rb"], {"gte": 2})
    assert [ids for _, ids, _ in bursts(written, (0, "b"), (1, "a"), (2, "b"))] == [["e1", "e2"]]


def test_a_value_that_comes_again_after_exactly_a_timespan_stays_counted():
    written = correlation("value_count", ["ra"], {"gte": 2, "field": "n"})
    events = [(0, "a", n("x")), (SPAN, "a", n("x")), (SPAN + 40, "a", n("y"))]
    assert [ids for _, ids, _ in bursts(written, *events)] == [["e1", "e2"]]


def test_lower_thresholds_report_the_lowest_measure():
    written = correlation("value_avg", ["ra"], {"lt": 10, "field": "n"})
    assert [value for _, _, value in bursts(written, (0, "a", n("9")), (1, "a", n("1")))] == [5]


def test_a_correlation_of_a_correlation_has_the_events_behind_it():
    inner = correlation("event_count", ["ra"], {"gte": 3}, title="many", **BY_USER)
    outer = correlation("temporal_ordered", ["many", "rb"], {"gte": 2}, title="then", **BY_USER)
    events = [(0, "a"), (1, "a"), (2, "a"), (3, "b"), (4, "b", {"user": "other"}), (5, "a")]
    assert bursts([inner, outer], *events) == [(["u"], ["e0", "e1", "e2", "e3"], 2)]


def test_a_compiled_correlation_tells_what_it_reads():
    inner = correlation(
        "value_count",
        ["ra", "rb"],
        {"gte": 3, "field": "n"},
        title="many",
        **{"group-by": ["who"], "aliases": {"who": {"rb": "account"}}},
    )
    outer = correlation("temporal", ["many", "rc"], {"gte": 2}, title="both", timespan="10m", **{"group-by": ["who"]})
    compiled = compile_ruleset(parsed(*BASES, inner, outer), DuckDBBackend())
    both = compiled.correlations[1]
    assert (both.rule_id, both.type, both.referenced, both.group_by) == (
        "both",
        "temporal",
        ("ra", "rb", "rc"),
        ("who",),
    )
    assert both.needed_fields == {"ra": ("n", "who"), "rb": ("account", "n"), "rc": ("who",)}
    assert (both.window_seconds, both.lookback_seconds) == (600, 600 + SPAN)
    assert [one.output for one in compiled.rules] == [False, False, False]
    assert [one.output for one in compiled.correlations] == [False, True]


def test_generate_keeps_the_rules_own_findings():
    collection = parsed(*BASES[:1], correlation("event_count", ["ra"], {"gte": 2}, generate=True))
    queries = DuckDBBackend().convert(collection)
    assert len(queries) == 2
    assert queries[0].startswith('SELECT * FROM "events" WHERE')


def test_the_statement_reads_any_relation_of_matches():
    compiled = compile_ruleset(
        parsed(*BASES[:1], correlation("event_count", ["ra"], {"gte": 2}, **BY_USER)), DuckDBBackend()
    )
    matches = (
        "(SELECT 'ra' AS rule_id, i::VARCHAR AS event_id, "
        "TIMESTAMPTZ '2024-01-01 00:00:00Z' + to_seconds(i) AS event_time, 'u' AS \"f:user\" FROM range(250) r(i))"
    )
    relation = duckdb.sql(compiled.correlations[0].sql(matches))
    assert relation.columns == ["group_values", "first_time", "last_time", "event_ids", "event_count", "value"]
    assert [str(t) for t in relation.types] == [
        "VARCHAR[]",
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMP WITH TIME ZONE",
        "VARCHAR[]",
        "BIGINT",
        "DOUBLE",
    ]
    row = relation.fetchall()[0]
    assert (row[3], row[4], row[5]) == ([str(i) for i in range(100)], 250, SPAN + 1)


@pytest.mark.parametrize(
    ("written", "error", "message"),
    [
        (
            correlation("value_count", ["ra"], {"gte": 2, "field": ["n", "user"]}),
            SigmaFeatureNotSupportedByBackendError,
            "write one correlation a field",
        ),
        (
            correlation("value_percentile", ["ra"], {"gte": 2, "field": "n", "percentile": 101}),
            SigmaCorrelationConditionError,
            "between 0 and 100",
        ),
        (
            correlation("temporal_ordered", ["ra", "rb"], {"gte": 3}),
            SigmaCorrelationConditionError,
            "asks for 3 of 2 rules",
        ),
        (
            correlation("temporal", [], "ra or not rb"),
            SigmaFeatureNotSupportedByBackendError,
            "join each `not` by `and`",
        ),
        (correlation("event_count", ["correlation"], {"gte": 3}), SigmaCorrelationRuleError, "refers to itself"),
    ],
)
def test_what_cannot_be_said_is_refused_with_the_way_out(written, error, message):
    with pytest.raises(error, match=message):
        DuckDBBackend().convert(parsed(*BASES, written))


@pytest.mark.parametrize("kind", ["temporal_ordered", "value_count", "temporal", "value_median"])
def test_dense_matches_take_seconds(kind):
    condition = {"gte": 2, **({"field": "n"} if kind.startswith("value") else {})}
    compiled = compile_ruleset(
        parsed(*BASES, correlation(kind, ["ra", "rb"], condition)), DuckDBBackend()
    ).correlations[0]
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE m AS SELECT ['ra', 'rb'][1 + i % 2] AS rule_id, 'e' || i AS event_id, "
        "TIMESTAMPTZ '2024-01-01 00:00:00Z' + to_milliseconds(i * 10) AS event_time, "
        '(i % 997)::VARCHAR AS "f:n" FROM range(33789) r(i)'
    )
    start = time.perf_counter()
    assert con.execute(compiled.sql("m")).fetchall()[0][4] >= 33788
    # about half a second alone; comparing every pair in a window of 6,000 would take minutes
    assert time.perf_counter() - start < 20
