"""`intelsec rules quality`: every rule's false-positive rate, noise and coverage as of a day, the worst first.

How a rule is judged is `detections.quality.rule_quality`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from intelsec_assets.commands.faces import DONE, FOUND_SOMETHING, Data, Day, Json, day_option, harmless, print_json
from intelsec_assets.commands.rules import past
from intelsec_assets.detections.quality.rule_quality import (
    HOLD,
    INSUFFICIENT,
    KEEP,
    NEVER_FIRED,
    RETIRE,
    TUNE,
    QualityPolicy,
    RuleQuality,
)
from intelsec_assets.wording import counted

_WORST_FIRST = (RETIRE, HOLD, TUNE, NEVER_FIRED, INSUFFICIENT, KEEP)

Window = Annotated[int, typer.Option("--window", min=1, max=400, help="Days looked back over.")]


def quality(day: Day = None, window: Window = QualityPolicy.window_days, data: Data = None, json: Json = False) -> None:
    """How good each rule is by people's verdicts: false-positive rate with its interval, noise, trend, coverage.

    Exit code 1 when a rule should be tuned, held or retired. Example: intelsec rules quality --window 14
    """
    asked = day_option(day)
    with past.opened(data, asked) as known:
        waiting = known.waiting_verdicts(asked)
        rules, as_of = known.rules(), known.as_of
        rows = known.quality(rules, window)
        names = {rule.rule_id: rule.name for rule in rules.rules}
    rows.sort(key=lambda row: (_WORST_FIRST.index(row.status), -row.alerts, row.rule_title))
    if json:
        print_json([{**row.row(), "name": names.get(row.rule_id)} for row in rows])
    else:
        _print(rows, names, f"{as_of}, {counted(window, 'day')}")
    past.say_waiting(waiting)
    wrong = any(row.status in {RETIRE, HOLD, TUNE} and row.mode != "retired" for row in rows)
    raise typer.Exit(FOUND_SOMETHING if wrong else DONE)


def _print(rows: list[RuleQuality], names: dict[str, str], asked: str) -> None:
    typer.echo(f"{counted(len(rows), 'rule')} as of the end of {asked}")
    for row in rows:
        rate = "no verdicts" if row.fp_rate is None else f"{row.fp_rate:.0%} false of {row.n}"
        alerts = counted(row.alerts, "alert")
        budget = "" if row.noise_budget is None else f" of {row.noise_budget:g}"
        typer.echo(
            f"{row.status.replace('_', ' '):<18}{harmless(names.get(row.rule_id) or row.rule_title)}  "
            f"[{row.mode}] {alerts}, {row.alerts_per_day:.1f} a day{budget}; {rate}"
        )
        typer.echo(f"{'':<18}{harmless(row.reason)}")
    typer.echo("next              intelsec rules proposals")
