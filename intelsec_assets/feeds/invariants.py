"""What must hold for the day's observations and the health of the feeds.

Evaluated on the day's tables alone; how a row gets there is elsewhere.
"""

from __future__ import annotations

from intelsec_assets.invariants import Day, Invariant, Verdict, none_of

MAX_REJECTED = 0.2  # share of a day's rows; the sample of all real feeds rejects under 5 %


def _conserved(day: Day) -> Verdict:
    day.tables["feed_status"].create_view("conserved_status", replace=True)
    day.tables["observations"].create_view("conserved_kept", replace=True)
    day.tables["rejected_observations"].create_view("conserved_rejected", replace=True)
    return none_of(
        day.con.sql(
            """
            select s.feed, s.rows_in, coalesce(k.n, 0) as kept, coalesce(r.n, 0) as rejected
            from conserved_status as s
            left join (select feed, count(*) as n from conserved_kept group by feed) as k using (feed)
            left join (select feed, count(*) as n from conserved_rejected group by feed) as r using (feed)
            where s.rows_in <> coalesce(k.n, 0) + coalesce(r.n, 0)
            """
        )
    )


def _traceable(day: Day) -> Verdict:
    day.tables["observations"].create_view("traceable", replace=True)
    return none_of(
        day.con.sql(
            "select feed, file, line, count(*) as rows from traceable "
            "where length(snapshot_sha256) <> 64 or line < 1 group by all"
        )
    )


def _few_rejected(day: Day) -> Verdict:
    rows_in, rejected = (
        day.tables["feed_status"].aggregate("coalesce(sum(rows_in), 0), coalesce(sum(rows_rejected), 0)").fetchall()[0]
    )
    share = rejected / rows_in if rows_in else 0.0
    return Verdict(share <= MAX_REJECTED, int(rejected), threshold=f"{MAX_REJECTED:.0%} of rows", found=f"{share:.1%}")


def _none_held(day: Day) -> Verdict:
    return none_of(day.tables["feed_status"].filter("held").project("feed, status, reason"))


OBSERVATION_INVARIANTS = (
    Invariant(
        "observations",
        "rows_are_traceable",
        "Every observation names its snapshot, file and line.",
        _traceable,
        "Do not export. The parser of the named feed lost the place of its rows; report a defect.",
    ),
)

STATUS_INVARIANTS = (
    Invariant(
        "feed_status",
        "rows_are_conserved",
        "Rows in = rows kept + rows rejected, feed by feed.",
        _conserved,
        "Do not export. Compare the feed's file with observations and rejected_observations of the day; "
        "report a defect.",
        needs=("observations", "rejected_observations"),
    ),
    Invariant(
        "feed_status",
        "feeds_keep_their_contract",
        "No feed is unreadable, empty, stale or shrunk.",
        _none_held,
        "Nothing is withdrawn for these feeds. Look at the feed's page or its source; "
        "correct the contract if it is wrong.",
        blocking=False,
    ),
    Invariant(
        "feed_status",
        "few_rows_are_rejected",
        "The day's quarantine stays small.",
        _few_rejected,
        "Look at the reasons: select feed, reason, count(*) from rejected_observations group by all.",
        blocking=False,
    ),
)
