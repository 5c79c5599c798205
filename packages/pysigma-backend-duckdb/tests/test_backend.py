"""The plugin as its users meet it: found by pySigma, its formats and options, what it refuses and how it says so."""

import duckdb
import pytest
from sigma.backends.duckdb import DuckDBBackend, compile_ruleset, text
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaFeatureNotSupportedByBackendError, SigmaPlaceholderError, SigmaRegularExpressionError
from sigma.pipelines.duckdb import duckdb_audit_tables
from sigma.plugins import InstalledSigmaPlugins
from sigma.policy.profiles import TrustedPolicy
from sigma.processing.pipeline import ProcessingPipeline
from sigma_engines import parsed, rule
from test_generated_correlations import correlation


def test_pysigma_finds_the_backend_and_the_pipeline():
    plugins = InstalledSigmaPlugins.autodiscover(include_validators=False)
    assert plugins.backends["duckdb"] is DuckDBBackend
    assert plugins.pipelines["duckdb_audit_tables"] is duckdb_audit_tables
    assert plugins.get_pipeline_resolver().resolve(["duckdb_audit_tables"]).items


def test_default_is_a_statement_a_rule():
    assert DuckDBBackend(table="lake.audit.events").convert(parsed(rule({"selection": {"a.b": "X"}}))) == [
        'SELECT * FROM "lake"."audit"."events" WHERE lower(CAST("a.b" AS VARCHAR)) = \'x\''
    ]


def test_condition_is_true_or_false_for_every_event():
    condition = DuckDBBackend().convert(
        parsed(rule({"s": {"f": "x"}, "t": {"g|cidr": "::/0"}}, "s or t")), "condition"
    )[0]
    rows = duckdb.sql(f"SELECT {condition} FROM (VALUES (NULL, NULL), ('y', 'z:'), ('X', NULL)) t(f, g)").fetchall()
    assert rows == [(False,), (False,), (True,)]


def test_matches_asks_all_rules_in_one_scan():
    collection = parsed(
        rule({"selection": {"f": "x"}}, title="one"), rule({"selection": {"f|startswith": "x"}}, title="two")
    )
    statement = DuckDBBackend().convert(collection, "matches")
    assert statement.count('FROM "events"') == 1
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE events AS SELECT event_id, now() AS event_time, f "
        "FROM (VALUES (1, 'X'), (2, 'xy'), (3, NULL)) t(event_id, f)"
    )
    assert sorted(row[:2] for row in con.execute(statement).fetchall()) == [("one", "1"), ("two", "1"), ("two", "2")]


def test_a_correlation_has_no_condition():
    collection = parsed(rule({"selection": {"f": "x"}}, title="ra"), correlation("event_count", ["ra"], {"gte": 2}))
    with pytest.raises(SigmaFeatureNotSupportedByBackendError, match="take the format 'default'"):
        DuckDBBackend().convert(collection, "condition")


def test_the_pipeline_names_the_table_of_a_log_source():
    document = rule({"selection": {"eventName": "x"}}) | {"logsource": {"product": "aws", "service": "cloudtrail"}}
    assert 'FROM "cloudtrail" WHERE' in DuckDBBackend(duckdb_audit_tables()).convert(parsed(document))[0]


def test_fields_of_a_json_column():
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE events AS SELECT unnest($1) AS event",
        [['{"a": {"b/c": "X"}}', '{"a": {"b/c": null}}', '{"a": 1}', '{"a": {"b/c": ["x"]}}']],
    )
    for detection, found in [({"a.b/c": "x"}, 1), ({"a.b/c": None}, 2), ({"a.b/c|contains": '"x"'}, 1), ({"a": 1}, 1)]:
        query = DuckDBBackend(json_fields="event").convert(parsed(rule({"selection": detection})))[0]
        assert len(con.execute(query).fetchall()) == found


def test_columns_of_other_types_compare_as_texts():
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE events AS SELECT true AS flag, 5::BIGINT AS n, 5.0::DOUBLE AS d, "
        "TIMESTAMPTZ '2024-01-01 03:00:00Z' AS t, ['x'] AS l, NULL::BIGINT AS nothing"
    )
    con.execute("SET TimeZone = 'Asia/Kolkata'")
    hits = [
        {"flag": True},
        {"flag": "TRUE"},
        {"n": 5},
        {"n|gt": 4},
        {"d": 5},
        {"d|lte": 5},
        {"t|hour": 3},
        {"l|contains": "x"},
        {"nothing": None},
        {"n|exists": True},
        {"n|fieldref|startswith": "n"},
    ]
    misses = [{"flag": False}, {"n": 4}, {"nothing|lt": 5}, {"nothing|exists": True}]
    for detection in [*hits, *misses]:
        query = DuckDBBackend().convert(parsed(rule({"selection": detection})))[0]
        assert bool(con.execute(query).fetchall()) == (detection in hits), detection


def test_field_sql_says_what_a_field_is():
    backend = DuckDBBackend(field_sql=lambda field: f"event->>'{field}'", folded_sql=lambda field: f'"lower {field}"')
    assert backend.convert(parsed(rule({"selection": {"a": "X", "b|cased": "X"}})), "condition") == [
        "coalesce((\"lower a\" = 'x' AND CAST(event->>'b' AS VARCHAR) = 'X'), FALSE)"
    ]


def test_lower_case_is_duckdbs_for_every_character():
    rows = duckdb.sql(
        "SELECT i, lower(chr(i::INT)) FROM range(1, 1114112) t(i) WHERE NOT i BETWEEN 55296 AND 57343"
    ).fetchall()
    assert [code for code, lowered in rows if text.fold(chr(code)) != lowered] == []


def test_thousands_of_values_are_no_deep_expression():
    values = [f"value-{i}*" if i % 2 else f"value-{i}" for i in range(6_000)]
    condition = DuckDBBackend().convert(parsed(rule({"selection": {"f": values}})), "condition")[0]
    assert duckdb.sql(
        f"SELECT {condition} FROM (VALUES ('VALUE-5998'), ('value-5999x'), ('value-1'), ('value-6000')) t(f)"
    ).fetchall() == [(True,), (True,), (True,), (False,)]


# what it refuses


def test_keywords_without_an_event_column_are_refused():
    with pytest.raises(
        SigmaFeatureNotSupportedByBackendError, match="rule 'rule': keywords search whole events; give event_json="
    ):
        DuckDBBackend(event_json=None).convert(parsed(rule({"selection": ["word"]})))


def test_an_expression_that_re2_has_not_is_refused_with_the_field():
    written = rule({"selection": {"f|re": "(?=a)b"}})
    with pytest.raises(SigmaRegularExpressionError):
        parsed(written)
    trusted = SigmaCollection.from_dicts([written], policy=TrustedPolicy)
    with pytest.raises(
        SigmaFeatureNotSupportedByBackendError, match=r"rule 'rule', field 'f': RE2 refuses .* without look-around"
    ):
        DuckDBBackend().convert(trusted)


def test_a_rule_that_pysigma_could_not_read_is_refused_with_its_title():
    read = SigmaCollection.from_dicts([rule({"selection": {"f|re": "(?=a)b"}})], collect_errors=True)
    with pytest.raises(SigmaRegularExpressionError, match=r"rule 'rule' could not be read: .*\(\?=a\)b"):
        DuckDBBackend().convert(read)
    with pytest.raises(SigmaRegularExpressionError, match="rule 'rule' could not be read"):
        compile_ruleset(read, DuckDBBackend())


def test_a_rule_that_pysigma_could_not_read_stops_no_other():
    read = SigmaCollection.from_dicts(
        [rule({"selection": {"f|re": "(?=a)b"}}, title="bad"), rule({"selection": {"f": "x"}}, title="good")],
        collect_errors=True,
    )
    backend = DuckDBBackend(collect_errors=True)
    assert len(backend.convert(read)) == 1
    assert [one.title for one, _ in backend.errors] == ["bad"]


@pytest.mark.parametrize(
    "selection",
    [
        {"f": 117364985726349857263},
        {"f": [1, -(2**53) - 1]},
        {"f|neq": 2**53 + 1},
        {"f|all": ["x", 2**53 + 1]},
    ],
)
def test_an_integer_that_pysigma_rounds_is_refused_with_the_field(selection):
    with pytest.raises(SigmaFeatureNotSupportedByBackendError, match=r"rule 'rule', field 'f': .* quote it"):
        DuckDBBackend().convert(parsed(rule({"selection": selection})))


@pytest.mark.parametrize("words", [[2**53 + 1], ["x", 2**53 + 1]])
def test_a_keyword_that_pysigma_rounds_is_refused(words):
    with pytest.raises(SigmaFeatureNotSupportedByBackendError, match=r"rule 'rule': .* quote it"):
        DuckDBBackend().convert(parsed(rule({"selection": words})))


def test_a_placeholder_without_values_is_refused():
    with pytest.raises(SigmaPlaceholderError, match="%admins% has no values; give them with a pipeline"):
        DuckDBBackend().convert(parsed(rule({"selection": {"f|expand": "%admins%"}})))


def test_placeholders_get_their_values_from_a_pipeline():
    pipeline = ProcessingPipeline.from_yaml(
        "{name: p, priority: 1, vars: {admins: [Root, 'adm*']}, transformations: [{type: value_placeholders}]}"
    )
    query = DuckDBBackend(pipeline).convert(parsed(rule({"selection": {"f|expand": "%admins%"}})))[0]
    con = duckdb.connect()
    con.execute("CREATE TABLE events AS SELECT unnest(['root', 'ADMIN', 'x']) AS f")
    assert con.execute(query).fetchall() == [("root",), ("ADMIN",)]


def test_a_query_of_a_pipeline_stands_for_a_placeholder():
    pipeline = ProcessingPipeline.from_yaml(
        "{name: p, priority: 1, transformations: "
        "[{type: query_expression_placeholders, expression: '{field} IN (SELECT v FROM {id})'}]}"
    )
    query = DuckDBBackend(pipeline).convert(parsed(rule({"selection": {"f|expand": "%admins%"}})))[0]
    assert query.endswith('WHERE (CAST("f" AS VARCHAR) IN (SELECT v FROM admins))')


def test_a_boolean_without_a_field_is_refused():
    with pytest.raises(SigmaFeatureNotSupportedByBackendError, match="a Bool needs a field"):
        DuckDBBackend().convert(parsed(rule({"selection": [True]})))


def test_errors_of_rules_are_gathered_and_the_others_compile():
    collection = parsed(
        rule({"selection": [True]}, title="bad"),
        rule({"selection": {"f": "x"}}, title="good"),
        correlation("event_count", ["bad"], {"gte": 2}),
    )
    compiled = compile_ruleset(collection, DuckDBBackend(collect_errors=True))
    assert [one.title for one in compiled.rules] == ["good"]
    assert [(one.title, str(error)) for one, error in compiled.errors] == [
        ("bad", "rule 'bad': a Bool needs a field; name the field it belongs to"),
        ("correlation", "Correlation 'correlation' reads 'bad', which could not be compiled; correct that rule first"),
    ]


def test_a_correlation_over_a_missing_rule_does_not_stop_the_others():
    documents = [rule({"selection": {"f": "x"}}, title="good"), correlation("event_count", ["missing"], {"gte": 2})]
    collection = SigmaCollection.from_dicts(documents, resolve_references=False)
    compiled = compile_ruleset(collection, DuckDBBackend(collect_errors=True))
    assert [one.title for one in compiled.rules] == ["good"]
    assert "missing" in str(compiled.errors[0][1])


# what engines read


def necessary(detections, condition="selection"):
    return dict(compile_ruleset(parsed(rule(detections, condition)), DuckDBBackend()).rules[0].necessary)


def test_values_that_a_match_needs_are_told():
    assert necessary({"selection": {"f": ["A", "b"], "g": 5, "h|contains": "x"}}) == {
        "f": {"a", "b"},
        "g": {"5", "5.0"},
    }
    assert necessary({"s": {"f": "A"}, "t": {"f": ["a", "b"]}}, "s and t") == {"f": {"a"}}
    assert necessary({"s": {"f": "A", "g": "x"}, "t": {"f": "b"}}, "s or t") == {"f": {"a", "b"}}
    assert necessary({"s": {"f": "a*"}}, "s") == {}
    assert necessary({"s": {"f": "a"}}, "not s") == {}
    assert necessary({"s": {"f": ["a", None]}}, "s") == {}


def test_a_compiled_rule_tells_what_it_reads():
    compiled = compile_ruleset(
        parsed(rule({"selection": {"f": "a", "g|fieldref": "h"}, "words": ["x"]}, "selection or words")),
        DuckDBBackend(),
    ).rules[0]
    assert (compiled.rule_id, compiled.fields, compiled.needs_event, compiled.output) == (
        "rule",
        ("f", "g", "h"),
        True,
        True,
    )


def test_several_conditions_of_a_rule_are_alternatives():
    compiled = compile_ruleset(parsed(rule({"s": {"f": "a"}, "t": {"f": "b"}}, ["s", "t"])), DuckDBBackend()).rules[0]
    assert compiled.necessary == {"f": {"a", "b"}}
    assert duckdb.sql(f"SELECT {compiled.condition} FROM (VALUES ('a'), ('b'), ('c'), (NULL)) t(f)").fetchall() == [
        (True,),
        (True,),
        (False,),
        (False,),
    ]
