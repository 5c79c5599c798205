"""What must hold for the live indicators and their scores.

Evaluated on the day's tables and the day before; how they are computed is elsewhere.
"""

from __future__ import annotations

from intelsec_assets.indicators.state import RETIRE_AFTER_DAYS
from intelsec_assets.invariants import Day, Invariant, Verdict, none_of

# Doubles: a sum of seven terms near 1 is exact to about 1e-15
SUM_TOLERANCE = 1e-9


def _unique(day: Day) -> Verdict:
    day.tables["indicators"].create_view("unique_keys", replace=True)
    return none_of(
        day.con.sql("select indicator_id, count(*) as rows from unique_keys group by indicator_id having count(*) > 1")
    )


def _merged(day: Day) -> Verdict:
    """Sum of observations today = what survived of yesterday's + what was kept today."""
    day.tables["indicators"].create_view("merged_today", replace=True)
    today = _one(day, "select coalesce(sum(observations), 0) from merged_today")
    kept = int(day.tables["observations"].aggregate("count(*)").fetchall()[0][0])
    carried = 0
    if "indicators" in day.before:
        day.before["indicators"].create_view("merged_before", replace=True)
        carried = _one(
            day,
            "select coalesce(sum(b.observations), 0) from merged_before as b "
            "semi join merged_today as t on b.indicator_id = t.indicator_id and b.first_listed = t.first_listed",
        )
    found = f"{today:,} = {carried:,} carried + {kept:,} kept"
    return Verdict(today == carried + kept, abs(today - carried - kept), threshold="0 rows", found=found)


def _none_lost(day: Day) -> Verdict:
    if "indicators" not in day.before:
        return Verdict(passed=True, found="first day")
    day.tables["indicators"].create_view("lost_today", replace=True)
    day.before["indicators"].create_view("lost_before", replace=True)
    return none_of(
        day.con.sql(
            "select b.indicator_type, b.value, b.last_listed from lost_before as b "  # noqa: S608  a date, a constant
            "anti join lost_today as t using (indicator_id) "
            f"where b.last_listed >= date '{day.day}' - {RETIRE_AFTER_DAYS}"
        )
    )


def _scored(day: Day) -> Verdict:
    day.tables["indicators"].create_view("scored_indicators", replace=True)
    day.tables["indicator_scores"].create_view("scored_scores", replace=True)
    return none_of(
        day.con.sql(
            "select indicator_id from scored_indicators full join scored_scores as s using (indicator_id) "
            "where s.score is null or scored_indicators.value is null"
        )
    )


def _sums(day: Day) -> Verdict:
    day.tables["indicator_scores"].create_view("summed", replace=True)
    return none_of(
        day.con.sql(
            f"""
            select value, score, contributions from summed
            where not (score between 0 and 1) or abs(score - (contributions.source_trust + contributions.recency
                + contributions.hit_rate + contributions.cooccurrence + contributions.sandbox
                + contributions.warninglist + contributions.clamp)) > {SUM_TOLERANCE}
            """  # noqa: S608  a constant
        )
    )


def _one(day: Day, sql: str) -> int:
    return int(day.con.sql(sql).fetchall()[0][0])


INDICATOR_INVARIANTS = (
    Invariant(
        "indicators",
        "keys_are_unique",
        "One row an indicator.",
        _unique,
        "Do not export. Rebuild the day; if it stays, report a defect of the merge.",
    ),
    Invariant(
        "indicators",
        "observations_are_merged",
        "Every kept row of the day is in exactly one indicator.",
        _merged,
        "Do not export. Rebuild the day from its first differing table; if it stays, report a defect of the merge.",
        needs=("observations",),
        needs_before=("indicators",),
    ),
    Invariant(
        "indicators",
        "no_indicator_is_lost",
        "An indicator leaves only when no feed has listed it for the retirement time.",
        _none_lost,
        "Do not export: targets would withdraw these. Rebuild the day.",
        needs_before=("indicators",),
    ),
)

SCORE_INVARIANTS = (
    Invariant(
        "indicator_scores",
        "every_indicator_is_scored",
        "Live indicators and scores are the same set.",
        _scored,
        "Rebuild the day's scores.",
        needs=("indicators",),
    ),
    Invariant(
        "indicator_scores",
        "contributions_sum_to_score",
        "Contributions sum to the score, which lies between 0 and 1.",
        _sums,
        "Do not export. Compare the model's data with its schema; report a defect of the scoring.",
    ),
)
