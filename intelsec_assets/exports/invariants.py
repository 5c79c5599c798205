"""What must hold for the export plan before any target hears of it.

The last line before the outside: these look at the plan itself and trust nothing upstream.
"""

from __future__ import annotations

from intelsec_assets.invariants import Day, Invariant, Verdict, none_of

# A day that withdraws half of what is out is an accident until someone says otherwise; small sets move by more.
MAX_WITHDRAWN = 0.5
SMALL = 100


def _none_protected(day: Day) -> Verdict:
    """By the hits of the day; `gate.protected_refusals` asks for our own values again without them, at each target."""
    day.tables["export_plan"].create_view("guarded_plan", replace=True)
    day.tables["warninglist_hits"].create_view("guarded_hits", replace=True)
    return none_of(
        day.con.sql(
            "select p.indicator_type, p.value, h.list, h.entry "
            "from guarded_plan as p join guarded_hits as h using (indicator_id) "
            "where p.state = 'active' and h.policy in ('protect', 'block')"
        )
    )


def _decided(day: Day) -> Verdict:
    day.tables["export_plan"].create_view("decided_plan", replace=True)
    day.tables["indicator_scores"].create_view("decided_scores", replace=True)
    return none_of(
        day.con.sql(
            "select p.indicator_type, p.value, p.action, s.decision "
            "from decided_plan as p left join decided_scores as s using (indicator_id) "
            "where p.state = 'active' and p.action <> 'hold' and s.decision is distinct from 'export'"
        )
    )


def _few_withdrawn(day: Day) -> Verdict:
    active_before, withdrawn = (
        day.tables["export_plan"]
        .aggregate(
            "count(*) filter (where action in ('keep', 'update', 'hold', 'withdraw')), "
            "count(*) filter (where action = 'withdraw')"
        )
        .fetchall()[0]
    )
    share = withdrawn / active_before if active_before else 0.0
    passed = active_before < SMALL or share <= MAX_WITHDRAWN
    return Verdict(passed, withdrawn, threshold=f"{MAX_WITHDRAWN:.0%} of what is out", found=f"{share:.1%}")


PLAN_INVARIANTS = (
    Invariant(
        "export_plan",
        "nothing_protected_is_exported",
        "No active row is on the protected list or a blocking warninglist.",
        _none_protected,
        "Do not export. Rebuild the day's scores and plan; report a defect.",
        needs=("warninglist_hits",),
    ),
    Invariant(
        "export_plan",
        "active_rows_were_decided",
        "What is active was decided `export` today, or is held for a feed that could not be trusted.",
        _decided,
        "Do not export. Rebuild the day's plan; report a defect.",
        needs=("indicator_scores",),
    ),
    Invariant(
        "export_plan",
        "withdrawals_are_few",
        "A day withdraws at most half of what is out.",
        _few_withdrawn,
        "Look at the reasons: select reason, count(*) from export_plan where action = 'withdraw' group by all. "
        "If they are right, raise the threshold in the model back to where it was or export by hand.",
    ),
)
