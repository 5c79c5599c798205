"""What stands beside the audit logs: the register of change tickets, who holds which network, where the logs lie.

Networks are of the documentation ranges, numbers of autonomous systems of the documentation numbers (RFC 5398),
countries of the codes that ISO 3166 leaves to users (XA to XZ): none is anybody's.
"""

from __future__ import annotations

import re

import audit_formats as audit
from audit_formats import ACCOUNT

# (network, autonomous system, holder, country); the narrower network wins
PREFIXES = (
    ("198.51.100.0/26", 64496, "Intelsec Demo", "XA"),
    ("2001:db8:100::/48", 64496, "Intelsec Demo", "XA"),
    ("198.51.100.0/24", 64497, "Meridian Transit", "XA"),
    ("198.51.100.64/26", 64500, "Lamplight Hosting", "XB"),
    ("198.51.100.128/26", 64498, "Fernway Broadband", "XA"),
    ("2001:db8:200::/48", 64498, "Fernway Broadband", "XA"),
    ("198.51.100.192/26", 64499, "Pebble Mobile", "XA"),
    ("203.0.113.0/24", 64510, "Brackwater Colocation", "XC"),
    ("2001:db8:42::/48", 64510, "Brackwater Colocation", "XC"),
    ("203.0.113.192/27", 64501, "Stagehand Builds", "XA"),
    ("203.0.113.224/27", 65536, "Harbourside Hotels", "XD"),
    ("192.0.2.0/24", 64505, "Quarry Cloud", "XB"),
    ("2001:db8::/32", 65540, "Longshore Exchange", "XB"),
)  # 198.18.0.0/15 belongs to nobody here: its addresses stay unknown

# the register was last written at noon of the last day: what happens after is not covered
TICKETS_AS_OF = "2026-03-15T12:00:00Z"
_ROOT = f"arn:aws:iam::{ACCOUNT}:root"
_ACCOUNTS = {"aws": ACCOUNT, "gcp": audit.PROJECT}  # that the story plays in
# (ticket, system, requester, target, action, valid from and to: day and time of March, status)
TICKETS = (
    ("CHG-1001", "aws", "jonas", "*", "UpdateDetector", "03 09:00", "03 12:00", "approved"),
    ("CHG-1004", "aws", "jonas", "svc-backup", "*AccessKey", "04 09:00", "04 12:00", "approved"),
    ("CHG-1007", "aws", _ROOT, "", "*", "05 13:30", "05 15:00", "approved"),
    ("CHG-1008", "gcp", "jonas@*", "loader@*", "*.CreateServiceAccountKey", "05 10:00", "05 11:00", "approved"),
    ("CHG-1009", "aws", "tobias", "svc-metrics", "CreateAccessKey", "06 09:00", "next Tuesday", "approved"),
    ("CHG-1011", "aws", "jonas", "sg-0443", "AuthorizeSecurityGroupIngress", "09 09:00", "09 18:00", "approved"),
    ("CHG-1012", "aws", "mara", "svc-reports", "CreateAccessKey", "12 00:00", "14 00:00", "rejected"),
    ("CHG-1013", "aws", "jonas", "staging-trail", "StopLogging", "07 20:00", "08 00:00", "approved"),
    ("CHG-1014", "aws", "jonas", "svc-mailer", "CreateAccessKey", "09 10:00", "09 11:00", "approved"),
    ("CHG-1015", "aws", "jonas", "svc-batch", "CreateAccessKey", "10 09:00", "10 10:00", "approved"),
    ("CHG-1018", "aws", "jonas", "snap-0007", "ModifySnapshotAttribute", "10 13:00", "10 15:00", "approved"),
    ("CHG-1019", "aws", "jonas", "mara", "DeactivateMFADevice", "11 14:00", "11 16:00", "implemented"),
    ("CHG-1023", "aws", "jonas", "svc-etl", "CreateAccessKey", "13 09:30", "13 11:00", "approved"),
    ("INC-2001", "aws", "jonas", "", "*", "14 06:00", "14 20:00", "approved"),
)  # fmt: skip

TELEMETRY = """\
# Where the audit logs of the sample lie, and what is joined to their events. Folders are below this file.
version: 1
audit:
  - {name: org-trail, provider: aws, location: audit/aws}
  - {name: gcp-audit, provider: gcp, location: audit/gcp}
  - {name: azure-activity, provider: azure, location: audit/azure}
tickets: {csv: audit/tickets.csv}
asn: {csv: [audit/asn_prefixes.csv], mmdb: null}
"""


def _ticket_row(*cells: str) -> str:
    spelled = (
        f"2026-03-{cell.replace(' ', 'T')}:00Z" if re.fullmatch(r"\d\d \d\d:\d\d", cell) else cell for cell in cells
    )
    return ",".join(spelled)


def files() -> audit.Files:
    """Path below samples/data -> content."""
    header = "ticket_id,system,requester,target,action,valid_from,valid_to,status,account"
    tickets = [_ticket_row(*row, _ACCOUNTS[row[1]]) for row in TICKETS]
    prefixes = ["network,asn,org,country", *(",".join(map(str, row)) for row in PREFIXES)]
    return {
        "telemetry.yaml": TELEMETRY.encode(),
        "audit/tickets.csv": "\n".join([f"# as_of: {TICKETS_AS_OF}", header, *tickets, ""]).encode(),
        "audit/asn_prefixes.csv": "\n".join([*prefixes, ""]).encode(),
    }
