"""Modes of rules for a time: read with every problem named, ended by their day, rules left out or put into test."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest

from intelsec_assets.detections.errors import RuleError
from intelsec_assets.detections.quality.modes import ModeOverride, modes_on, modes_text, read_modes, with_modes
from tests.unit.detection_rows import TODAY


def override(rule: str, mode: str = "test", expires: date = TODAY) -> ModeOverride:
    return ModeOverride(
        rule, mode, "over its noise budget: 40 a day", expires, "ana", "ab12", TODAY - timedelta(days=7)
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    both = [override("b", "retired"), override("a")]
    file = tmp_path / "modes.yml"
    file.write_text(modes_text(both))

    assert list(read_modes(file).values()) == sorted(both, key=lambda one: one.rule_id)
    assert read_modes(tmp_path / "none.yml") == {}
    assert modes_text(both) == modes_text(both[::-1])


def test_an_empty_file_holds_no_modes(tmp_path: Path) -> None:
    file = tmp_path / "modes.yml"
    file.write_text(modes_text([]))

    assert read_modes(file) == {}


def test_a_mode_ends_with_its_day() -> None:
    overrides = {"a": override("a")}

    assert modes_on(overrides, TODAY) == {"a": "test"}
    assert modes_on(overrides, TODAY - timedelta(days=7)) == {"a": "test"}
    assert modes_on(overrides, TODAY - timedelta(days=8)) == {}, "days before it began ran in the rule's own mode"
    assert modes_on(overrides, TODAY + timedelta(days=1)) == {}


def test_every_problem_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "modes.yml"
    file.write_text(
        "a:\n  mode: off\n  reason: no\n  expires: soon\n"
        "b: 3\n"
        "c:\n  mode: test\n  reason: long enough a reason\n  expires: 2026-01-01\n  more: 1\n"
        "d:\n  mode: test\n  reason: long enough a reason\n  begins: 2025-01-01\n  expires: 2026-01-02\n"
    )

    with pytest.raises(RuleError) as error:
        read_modes(file)

    for said in (
        "modes.yml:2: a: `mode` is 'off'; expected test or retired",
        "modes.yml:3: a: `reason`",
        "modes.yml:4: a: `expires` is 'soon'",
        "modes.yml:5: b: expected mode",
        "modes.yml:10: c: unknown key 'more'",
        "c: `begins` is None",
        "modes.yml:15: d: holds from 2025-01-01 to 2026-01-02; 365 days are the longest",
    ):
        assert said in str(error.value)


@dataclass(frozen=True)
class Meta:
    mode: str = "live"


@dataclass(frozen=True)
class Rule:
    rule_id: str
    meta: Meta = field(default_factory=Meta)


@dataclass(frozen=True)
class Rules:
    rules: tuple[Rule, ...]


def test_retired_rules_do_not_run_and_held_ones_run_in_test_mode() -> None:
    rules = Rules((Rule("a"), Rule("b"), Rule("c")))

    running = with_modes(rules, {"a": "test", "b": "retired"})  # type: ignore[arg-type]  # the part of a RuleSet it uses

    assert [(rule.rule_id, rule.meta.mode) for rule in running.rules] == [("a", "test"), ("c", "live")]
