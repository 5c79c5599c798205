"""Writes docs/rule-coverage.md from the rules and ATT&CK's tables: `python docs/write_rule_coverage.py`.

Nothing about a rule is written down here; a test compares the committed page with a new one.
"""

from __future__ import annotations

from pathlib import Path

from intelsec_assets.detections.sigma.attack import attack_tables
from intelsec_assets.detections.sigma.coverage import coverage
from intelsec_assets.detections.sigma.coverage_page import page
from intelsec_assets.detections.sigma.rules import load_rules
from intelsec_assets.settings import REPOSITORY

PAGE = Path(__file__).with_name("rule-coverage.md")


def current_page() -> str:
    """What the page should say."""
    folder = REPOSITORY / "detections"
    return page(coverage(load_rules(folder / "sigma"), attack_tables(folder / "attack")))


if __name__ == "__main__":
    PAGE.write_text(current_page(), encoding="utf-8")
