"""An indicator has one identifier, whoever computes it."""

from __future__ import annotations

import uuid

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.engine import quick_session
from intelsec_assets.indicators.identity import STIX_NAMESPACE, indicator_id, indicator_id_sql
from tests.searching import examples

_SQL = f"select {indicator_id_sql('indicator_type', 'value')} from pairs"


def test_the_identifier_is_the_uuid_version_5_of_type_and_value_in_the_stix_namespace():
    assert uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7") == STIX_NAMESPACE
    assert indicator_id("domain", "example.com") == uuid.uuid5(STIX_NAMESPACE, "domain:example.com")
    assert indicator_id("domain", "example.com").version == 5


# lone surrogates cannot reach a table
@examples(20)
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=50))
def test_sql_and_python_give_the_same_identifier_for_any_text(pairs):
    table = pa.table(list(map(list, zip(*pairs, strict=True))), names=["indicator_type", "value"])
    with quick_session() as con:
        con.register("pairs", table)
        found = [row[0] for row in con.execute(_SQL).fetchall()]
    assert found == [indicator_id(*pair) for pair in pairs]


def test_a_missing_value_has_no_identifier():
    table = pa.table({"indicator_type": ["url", None], "value": pa.array([None, "x"], pa.string())})
    with quick_session() as con:
        con.register("pairs", table)
        assert con.execute(_SQL).fetchall() == [(None,), (None,)]
