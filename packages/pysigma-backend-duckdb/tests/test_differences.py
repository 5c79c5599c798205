"""Where the sqlite backend in sqlite3 answers otherwise than ours, an example each; the README has the reasons."""

import sqlite3

import pytest
import sigma_reference as reference
from sigma.exceptions import SigmaFeatureNotSupportedByBackendError
from sigma_engines import duckdb_bursts, duckdb_matches, parsed, rule, sqlite_alerts, sqlite_matches
from test_generated_correlations import BASES, correlation


def both(detection, *values):
    """(ours, theirs) for a detection over events with one field."""
    events = [{"event": None, **(value if isinstance(value, dict) else {"f": value})} for value in values]
    written = rule({"selection": detection})
    ours = duckdb_matches([written], events)[0]
    understood = parsed(written).rules[0]
    assert ours == [reference.rule_matches(understood, event) for event in events]
    return ours, sqlite_matches([written], events)[0]


def test_unicode_case_sqlite_folds_ascii_only():
    assert both({"f": "É"}, "é") == ([True], [False])
    assert both({"f|contains": "É"}, "xé") == ([True], [False])
    assert both({"f|fieldref": "g"}, {"f": "É", "g": "é"}) == ([True], [False])


def test_cidr_by_text_sqlite_matches_the_spelling_of_an_address():
    assert both({"f|cidr": "10.0.0.0/8"}, "10.evil.example", "::ffff:10.1.2.3") == ([False, True], [True, False])
    assert both({"f|cidr": "2001:db8::/32"}, "2001:0DB8:0::1", "2001:db8:zz") == ([True, False], [False, True])


def test_numbers_in_text_sqlite_orders_them_as_text():
    assert both({"f|gt": 9}, "10", "ten") == ([True, False], [False, True])


def test_whole_number_as_float_sqlite_compares_its_text():
    assert both({"f": 5}, "5.0") == ([True], [False])


def test_bool_as_one_sqlite_takes_1_for_true():
    assert both({"f": True}, "1", "true") == ([False, True], [True, True])


def test_week_of_the_year_sqlite_counts_from_the_first_monday():
    assert both({"f|week": 1}, "2024-12-30T00:00:00Z") == ([True], [False])


def test_keyword_over_two_values_sqlite_searches_them_joined():
    assert both(["a*b"], {"event": '["xa", "by"]'}) == ([False], [True])


def test_nul_in_a_rule_sqlite3_does_not_run_it():
    with pytest.raises(sqlite3.ProgrammingError, match="null character"):
        both({"f|wide|contains": "b"}, "a\0b\0")


def bursts_and_alerts(written, *events):
    happened = [{"id": f"e{place}", "user": "u", "n": None, **event} for place, event in enumerate(events)]
    documents = [*BASES, written]
    return duckdb_bursts(documents, happened), sqlite_alerts(documents, happened)


def test_one_burst_sqlite_gives_a_row_for_every_window():
    ours, theirs = bursts_and_alerts(
        correlation("event_count", ["ra"], {"gte": 2}), *({"t": t, "kind": "a"} for t in (0, 30, 60, 90))
    )
    assert [row[3] for row in ours] == [["e0", "e1", "e2", "e3"]]
    assert [sorted(alert[3]) for alert in theirs] == [["e0", "e1"], ["e0", "e1", "e2"], ["e1", "e2", "e3"]]


def test_evidence_of_an_order_sqlite_names_the_earliest_chain():
    ours, theirs = bursts_and_alerts(
        correlation("temporal_ordered", ["ra", "rb"], {"gte": 2}),
        {"t": 0, "kind": "a"},
        {"t": 1, "kind": "a"},
        {"t": 2, "kind": "b"},
    )
    assert ours[0][3] == ["e0", "e1", "e2"]
    assert theirs[0][3] == {"e0", "e2"}


def test_an_order_is_seen_at_its_last_step_sqlite_repeats_it_at_later_matches():
    ours, theirs = bursts_and_alerts(
        correlation("temporal_ordered", ["ra", "rb"], {"gte": 2}),
        {"t": 0, "kind": "a"},
        {"t": 1, "kind": "b"},
        {"t": 30, "kind": "a"},
    )
    assert len(ours) == 1
    assert ours[0][3] == ["e0", "e1"]
    assert [alert[2] for alert in theirs] == [1, 30]


def test_numbers_with_spaces_sqlite_trims_them():
    ours, theirs = bursts_and_alerts(
        correlation("value_sum", ["ra"], {"gte": 5, "field": "n"}), {"t": 0, "kind": "a", "n": " 5"}
    )
    assert (len(ours), len(theirs)) == (0, 1)


def test_numbers_with_leading_zeros_sqlite_ignores_them():
    ours, theirs = bursts_and_alerts(
        correlation("value_sum", ["ra"], {"gte": 5, "field": "n"}), {"t": 0, "kind": "a", "n": "05"}
    )
    assert (len(ours), len(theirs)) == (1, 0)


def test_only_absence_sqlite_looks_at_every_event_we_refuse():
    written = correlation("temporal", [], "not ra")
    assert sqlite_alerts(
        [*BASES, written],
        [{"id": "e0", "t": 0, "kind": "b", "user": "u"}, {"id": "e1", "t": 61, "kind": "b", "user": "u"}],
    )
    with pytest.raises(SigmaFeatureNotSupportedByBackendError, match="join each `not` by `and` to a rule that matches"):
        duckdb_bursts([*BASES, written], [{"id": "e0", "t": 0, "kind": "b"}])


def test_a_field_of_inner_evidence_sqlite_reads_it_we_refuse():
    documents = [
        *BASES,
        correlation("event_count", ["ra"], {"gte": 1}),
        correlation("event_count", ["correlation"], {"gte": 1}, title="outer", **{"group-by": ["user"]}),
    ]
    events = [{"id": "e0", "t": 0, "kind": "a", "user": "u"}]
    assert sqlite_alerts(documents, events)
    with pytest.raises(SigmaFeatureNotSupportedByBackendError, match="add the field to the group-by of 'correlation'"):
        duckdb_bursts(documents, events)


@pytest.mark.parametrize("operator", ["lt", "lte", "neq", "eq"])
def test_an_order_of_few_steps_sqlite_lets_it_be_satisfied_by_nothing_we_refuse(operator):
    written = correlation("temporal_ordered", ["ra", "rb"], {operator: 1})
    with pytest.raises(SigmaFeatureNotSupportedByBackendError, match="an order needs its rules to match"):
        duckdb_bursts([*BASES, written], [{"id": "e0", "t": 0, "kind": "a"}])
