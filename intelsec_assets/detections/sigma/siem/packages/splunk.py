"""The package of Splunk: an app with saved searches, look-up tables and their definitions.

What the searches are is `compiling`.
"""

from __future__ import annotations

from collections.abc import Sequence

from intelsec_assets.detections.sigma.siem.compiling import Compiled
from intelsec_assets.detections.sigma.siem.packages.lookups import (
    ASN,
    COLUMNS,
    INDICATORS,
    TICKETS,
    Lookups,
)
from intelsec_assets.detections.sigma.siem.packages.told import deployable, described, readme
from intelsec_assets.detections.sigma.siem.targets import Targets

APP = "intelsec_detections"
_SEVERITY = {"informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
# how a look-up is matched: networks by CIDR, names with `*`, all without case
_MATCHES = {
    INDICATORS: "CIDR(value)",
    ASN: "CIDR(prefix)",
    TICKETS: "WILDCARD(action), WILDCARD(requester), WILDCARD(target), WILDCARD(account)",
}
_MOST_TICKETS = 100
_BRANCH = " | eval event_type="  # ends the condition of a branch where a search looks for several things at once
_OVERLAP = 900  # seconds of index time: a run every five minutes, and two runs that were skipped
_LATE = 86_400  # seconds an event may be old when it is indexed: a queue of the add-on that stood still for a day

_STEPS = """\
An app for Splunk: detections over CloudTrail as the Splunk Add-on for AWS brings it in (sourcetype `aws:cloudtrail`).

The add-on writes `success` into `errorCode` where CloudTrail has none. The searches take that and a missing `errorCode`
alike, so they are also right over events that came in without the add-on's extractions.

1. Install it: unpack the archive into `$SPLUNK_HOME/etc/apps/`, or upload it under *Apps*.
2. Your role must search the index of CloudTrail by default; else put `index=...` before the searches.
3. The searches are disabled. Look at one after the other, then enable them under *Settings > Searches*.
4. New look-ups are new CSV files in `lookups/`: replace them, the searches stay as they are.

Each search runs every five minutes over what was indexed in the last fifteen minutes, also where the events are up to a
day old; one that counts, over what was indexed in its window before that, too. So a result can be found again: there is
one alert a result, throttled by the fields that tell results apart. Events of one burst that are indexed further apart
than its window and fifteen minutes are not counted together.
"""


def files(compiled: Sequence[Compiled], lookups: Lookups, targets: Targets) -> dict[str, str]:
    """The app's files by path."""
    searches = [_stanza(one, targets) for one in deployable(compiled)]
    return {
        f"{APP}/default/app.conf": _app(),
        f"{APP}/default/savedsearches.conf": "\n".join(text for part in searches for text in part),
        f"{APP}/default/transforms.conf": "\n".join(_transform(name) for name in COLUMNS),
        f"{APP}/metadata/default.meta": "[]\naccess = read : [ * ], write : [ admin ]\nexport = system\n",
        **{f"{APP}/lookups/{name}.csv": lookups.text(name) for name in COLUMNS},
        f"{APP}/README.md": readme("intelsec detections for Splunk", _STEPS, compiled, lookups, targets),
    }


def _app() -> str:
    return (
        "[install]\nis_configured = true\n\n[ui]\nis_visible = false\nlabel = intelsec detections\n\n"
        "[launcher]\nauthor = intelsec\ndescription = Detections over AWS CloudTrail\nversion = 1.0.0\n\n"
        f"[package]\nid = {APP}\n"
    )


def _transform(name: str) -> str:
    lines = [f"[{name}]", f"filename = {name}.csv", "case_sensitive_match = false"]
    if name in _MATCHES:
        lines.append(f"match_type = {_MATCHES[name]}")
    lines.append(f"max_matches = {_MOST_TICKETS if name == TICKETS else 1}")
    return "\n".join(lines) + "\n"


def _stanza(one: Compiled, targets: Targets) -> list[str]:
    window = int(one.rule.window.total_seconds()) if one.rule.window else 0
    stanzas = []
    for number, query in enumerate(one.queries, 1):
        part = f" ({number} of {len(one.queries)}: {query.title})" if len(one.queries) > 1 else ""
        settings = {
            "description": described(one, targets),
            "search": _by_index_time(query.text.strip(), window + _OVERLAP),
            "disabled": "1",
            "enableSched": "1",
            "cron_schedule": "*/5 * * * *",
            "dispatch.earliest_time": f"-{window + _LATE}s",
            "dispatch.latest_time": "now",
            "dispatch.index_earliest": f"-{window + _OVERLAP}s",
            "dispatch.index_latest": "now",
            "counttype": "number of events",
            "relation": "greater than",
            "quantity": "0",
            "alert.track": "1",
            "alert.severity": str(_SEVERITY[one.rule.level]),
            **_throttling(one),
        }
        lines = [f"[intelsec - {_name(one.rule.title)}{_name(part)}]"]
        lines += [f"{key} = " + " \\\n".join(value.split("\n")) for key, value in settings.items()]
        stanzas.append("\n".join(lines) + "\n")
    return stanzas


def _by_index_time(search: str, seconds: int) -> str:
    """The search, its branches bound to what was indexed: nothing says that the bound of the search reaches those."""
    return search.replace(_BRANCH, f" | where _indextime>=now()-{seconds}{_BRANCH}")


def _throttling(one: Compiled) -> dict[str, str]:
    """No alert twice for the same fields: these count only where each result is an alert (`digest_mode`)."""
    seconds = int(one.rule.meta.suppression.total_seconds())
    if not seconds:
        return {}
    silenced = {"alert.suppress": "1", "alert.suppress.period": f"{seconds}s"}
    if one.rule.meta.dedup:
        silenced |= {"alert.suppress.fields": ", ".join(one.rule.meta.dedup), "alert.digest_mode": "0"}
    return silenced


def _name(text: str) -> str:
    """A stanza's name holds no brackets and no line break."""
    return text.translate({ord("["): "(", ord("]"): ")", ord("\n"): " "})
