"""The gate before every export: the reasons why a day must not leave the house.

Who asks the store for the latest check results and reads the plan is the asset; here is only the judgement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.indicators.protected import Guard


@dataclass(frozen=True)
class RequiredCheck:
    """A blocking check that must have passed for this partition before its day may be exported."""

    asset: str
    check: str
    day: date


class Result(Protocol):
    """What a check said, as the store keeps it. `passed` is False too when the check broke down."""

    @property
    def asset(self) -> str:
        """The asset it looked at."""

    @property
    def check(self) -> str:
        """Its name."""

    @property
    def day(self) -> date:
        """The partition."""

    @property
    def passed(self) -> bool:
        """True = the claim holds."""

    @property
    def data_version(self) -> str | None:
        """The content it looked at."""


def refusals(
    required: Iterable[RequiredCheck], latest: Iterable[Result], current_versions: Mapping[str, str]
) -> list[str]:
    """Why the export must not run, a sentence a reason, in the order of `required`; an empty list = it may.

    `latest` is the newest result of each check and day; `current_versions` the data version of each asset's file as it
    lies in the lake now. A result of another day does not count; one of another data version spoke of other data.
    """
    results = {(r.asset, r.check, r.day): r for r in latest}
    reasons = (_reason(need, results.get((need.asset, need.check, need.day)), current_versions) for need in required)
    return [reason for reason in reasons if reason is not None]


def protected_refusals(plan: pa.Table, guard: Guard) -> list[str]:
    """Why the plan (indicator_type, value, state) must not be told: a sentence for each active row that touches ours.

    The guard reads the values themselves. It shares nothing with the tables that the decision came from, so that what
    they lost is stopped here all the same. An empty list = nothing of ours is in it.
    """
    active = plan.filter(pc.equal(plan["state"], "active")).select(["indicator_type", "value"])
    reasons = []
    for kind, value in zip(*(column.to_pylist() for column in active.columns), strict=True):
        entry = guard.is_protected(kind, value)
        if entry is not None:
            reasons.append(
                f"{kind} {value} is ours (protected entry {entry}) and yet to be exported: "
                "run the day again, so that hits and decision are made anew; if it stays, report a defect"
            )
    return reasons


def _reason(need: RequiredCheck, result: Result | None, current_versions: Mapping[str, str]) -> str | None:
    name = f"check {need.check} of {need.asset} for {need.day}"
    if result is None:
        return f"{name} has not run: materialise {need.asset} for that day first"
    if result.passed is not True:
        return f"{name} did not pass: look at its evidence, mend the cause and run {need.asset} for that day again"
    current = current_versions.get(need.asset)
    if current is None:
        return f"{name} passed, but {need.asset} has no file for that day now: materialise it again"
    if result.data_version != current:
        return (
            f"{name} looked at version {_short(result.data_version)}, but the file is now {_short(current)}: "
            f"somebody changed it, or it was rebuilt without its checks; run {need.asset} for that day again"
        )
    return None


def _short(version: str | None) -> str:
    return "unknown" if not version else version[:12]
