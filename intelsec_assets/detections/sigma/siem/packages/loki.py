"""The package of Grafana Loki: rules of its ruler.

What the queries are is `compiling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from intelsec_assets.detections.sigma.siem.compiling import Compiled
from intelsec_assets.detections.sigma.siem.packages.lookups import Lookups
from intelsec_assets.detections.sigma.siem.packages.told import deployable, described, readme
from intelsec_assets.detections.sigma.siem.targets import Targets

_STEPS = """\
Rules for Loki's ruler over CloudTrail as delivered: one line of JSON an event in the stream `{job="cloudtrail"}`, its
time stamp the time of the event.

1. Put `rules.yaml` where the ruler reads rules (`<rule_path>/<tenant>/`), or `lokitool rules load rules.yaml`.
2. Loki has no look-ups: rules over tickets, networks or indicators are `nearest`. `lookups/` is for people.
3. Lines longer than `max_line_size` are refused by Loki, and with them events.
"""


def files(compiled: Sequence[Compiled], lookups: Lookups, targets: Targets) -> dict[str, str]:
    """The package's files by path."""
    group = {
        "name": "intelsec",
        "interval": "1m",
        "rules": [rule for one in deployable(compiled) for rule in _rules(one, targets)],
    }
    text = yaml.safe_dump({"groups": [group]}, sort_keys=False, allow_unicode=True, width=10_000)
    return {
        "rules.yaml": text,
        "lookups/intelsec_indicators.csv": lookups.text("intelsec_indicators"),
        "README.md": readme("intelsec detections for Grafana Loki", _STEPS, compiled, lookups, targets),
    }


def _rules(one: Compiled, targets: Targets) -> list[dict[str, Any]]:
    made = []
    for number, query in enumerate(one.queries, 1):
        text = query.text.strip()
        # a query for events becomes a count; counts of five minutes each minute find what arrives late
        counted = text if text.startswith(("sum", "count")) else f"sum(count_over_time({text} [5m])) > 0"
        name = one.rule.name if len(one.queries) == 1 else f"{one.rule.name}-{number}"
        made.append(
            {
                "alert": name,
                "expr": counted,
                "labels": {"severity": one.rule.level, "rule_id": one.rule.rule_id, "verdict": one.verdict},
                "annotations": {"summary": one.rule.title, "description": described(one, targets)},
            }
        )
    return made
