"""The package of Microsoft Sentinel: scheduled analytics rules as an ARM template, and watchlists.

What the queries are is `compiling`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

from intelsec_assets.detections.findings import FINDING_NAMESPACE
from intelsec_assets.detections.sigma.siem.compiling import Compiled
from intelsec_assets.detections.sigma.siem.packages.lookups import ASN, INDICATORS, PRINCIPALS, PRINCIPALS_ASN, Lookups
from intelsec_assets.detections.sigma.siem.packages.told import deployable, described, readme
from intelsec_assets.detections.sigma.siem.targets import Targets

_SEVERITY = {"informational": "Informational", "low": "Low", "medium": "Medium", "high": "High", "critical": "High"}
# watchlist -> the column Sentinel indexes
_WATCHLISTS = {INDICATORS: "value", ASN: "prefix", PRINCIPALS_ASN: "principal_asn", PRINCIPALS: "principal"}
_TACTICS = {
    "initial-access": "InitialAccess",
    "execution": "Execution",
    "persistence": "Persistence",
    "privilege-escalation": "PrivilegeEscalation",
    "defense-evasion": "DefenseEvasion",
    "credential-access": "CredentialAccess",
    "discovery": "Discovery",
    "lateral-movement": "LateralMovement",
    "collection": "Collection",
    "exfiltration": "Exfiltration",
    "command-and-control": "CommandAndControl",
    "impact": "Impact",
}
_LATE = 600  # seconds: CloudTrail arrives within about ten minutes

_STEPS = """\
Scheduled analytics rules for Microsoft Sentinel over the table AWSCloudTrail (data connector "Amazon Web Services S3").

1. Make a watchlist of each CSV in `watchlists/`, its alias the file's name without `.csv`, its search key the column
   that `watchlists/search-keys.json` names. An empty watchlist is needed too: a query over one that is missing fails.
2. Deploy `analytics-rules.json` to the resource group of the workspace:
   `az deployment group create --resource-group GROUP --template-file analytics-rules.json --parameters workspace=NAME`.
3. The rules are off; look at one after the other, then enable it.
"""


def files(compiled: Sequence[Compiled], lookups: Lookups, targets: Targets) -> dict[str, str]:
    """The package's files by path."""
    resources = [rule for one in deployable(compiled) for rule in _rules(one, targets)]
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"workspace": {"type": "string"}},
        "resources": resources,
    }
    return {
        "analytics-rules.json": json.dumps(template, indent=2, ensure_ascii=False) + "\n",
        **{f"watchlists/{name}.csv": lookups.text(name) for name in _WATCHLISTS},
        "watchlists/search-keys.json": json.dumps(_WATCHLISTS, indent=2) + "\n",
        "README.md": readme("intelsec detections for Microsoft Sentinel", _STEPS, compiled, lookups, targets),
    }


def _rules(one: Compiled, targets: Targets) -> list[dict[str, Any]]:
    window = int(one.rule.window.total_seconds()) if one.rule.window else 0
    made = []
    for query in one.queries:
        title = one.rule.title if len(one.queries) == 1 else f"{one.rule.title}: {query.title}"
        identity = str(uuid.uuid5(FINDING_NAMESPACE, f"sentinel|{one.rule.rule_id}|{query.title}"))
        techniques = sorted({name.split(".")[0] for name in one.rule.attack if name.startswith("T")})
        made.append(
            {
                "type": "Microsoft.OperationalInsights/workspaces/providers/alertRules",
                "apiVersion": "2023-02-01",
                "name": f"[concat(parameters('workspace'), '/Microsoft.SecurityInsights/{identity}')]",
                "kind": "Scheduled",
                "properties": {
                    "displayName": f"intelsec - {title}",
                    "description": described(one, targets),
                    "severity": _SEVERITY[one.rule.level],
                    "enabled": False,
                    "query": query.text.strip(),
                    "queryFrequency": "PT5M",
                    "queryPeriod": f"PT{(300 + _LATE + window + 59) // 60}M",
                    "triggerOperator": "GreaterThan",
                    "triggerThreshold": 0,
                    "suppressionDuration": f"PT{max(int(one.rule.meta.suppression.total_seconds() // 60), 5)}M",
                    "suppressionEnabled": False,
                    "tactics": sorted({_TACTICS[name] for name in one.rule.attack if name in _TACTICS}),
                    "techniques": techniques,
                    "eventGroupingSettings": {"aggregationKind": "AlertPerResult"},
                },
            }
        )
    return made
