"""Figures beside what their rows come to, and queries written out for people: nothing a feed wrote breaks them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets import engine
from intelsec_assets.kpis.warehouse.lineage import Sum, literal, written_out


@pytest.mark.parametrize(
    ("stated", "found", "agrees"),
    [
        (0.1 + 0.2, 0.3, True),
        (2314.0, 2314, True),
        (0.31, 0.32, False),
        (None, None, True),
        (0.0, None, False),
        ("export", "export", True),
        (date(2026, 3, 2), date(2026, 3, 3), False),
    ],
)
def test_a_figure_agrees_but_for_the_last_digits_of_doubles(stated: Any, found: Any, agrees: bool) -> None:
    assert Sum("value", stated, found).agrees is agrees


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        0.1,
        "it's 'quoted' \\ and ünïcödé",
        date(2026, 3, 2),
        datetime(2026, 3, 2, 1, 2, 3, 500000, tzinfo=UTC),
        UUID("00abedb4-aa42-466c-9c01-fed23315a9b7"),
    ],
)
def test_a_value_written_out_is_the_same_value(value: Any) -> None:
    with engine.quick_session() as con:
        ((same,),) = con.execute(f"select {literal(value)} is not distinct from ?", [value]).fetchall()
    assert same


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_no_text_of_a_feed_gets_out_of_its_quotes(text: str) -> None:
    query = written_out("select $feed as feed, 'end' as last", {"feed": text})

    with engine.quick_session() as con:
        assert con.execute(query).fetchall() == [(text, "end")]


def test_what_cannot_be_a_key_is_refused() -> None:
    with pytest.raises(TypeError, match="no place in a key"):
        literal(["a", "list"])
