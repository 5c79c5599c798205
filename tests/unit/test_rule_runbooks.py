"""Runbooks of rules: each has its parts, and the queries in it run on the lake's tables."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from intelsec_assets.detections.tables import CLOUD_AUDIT_EVENTS, PRINCIPAL_ASNS
from tests.repository_rules import RULES

ROOT = Path(__file__).parents[2]
PARTS = ("What it means", "First five minutes", "Queries to run", "How to close", "Known false positives")


@pytest.fixture(scope="module")
def con():
    """Empty tables of the lake, named as `intelsec sql --lake` names them."""
    opened = duckdb.connect()
    for table in (CLOUD_AUDIT_EVENTS, PRINCIPAL_ASNS):
        opened.execute(f"create table {table.name} ({table.ddl()})")
    return opened


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.name)
def test_a_runbook_has_its_parts_and_its_queries_run(rule, con):
    text = (ROOT / rule.meta.runbook).read_text(encoding="utf-8")
    queries = re.findall(r'^intelsec sql --lake "(.*?)"$', text, re.DOTALL | re.MULTILINE)

    assert [part for part in PARTS if f"## {part}" not in text] == []
    assert queries
    assert "duckdb -c" not in text  # a run does not install that program
    assert len(text.splitlines()) <= 75  # a page
    for query in queries:
        con.execute(query).fetchall()
