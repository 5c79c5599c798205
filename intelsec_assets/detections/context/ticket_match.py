"""Which change ticket covers an audit event: approved, valid at that instant, of that actor, target and action.

Where tickets come from is `tickets`; that an event needs one is said by rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from intelsec_assets.detections.context.addresses import PACKAGE
from intelsec_assets.detections.context.tickets import CLOCK_TOLERANCE, Ticket, TicketReading
from intelsec_assets.engine import read_sql

PRESENT, ABSENT, UNKNOWN = "present", "absent", "unknown"

# Request parameters that name what a call acts on, and nothing that a caller may fill in freely: with a description or
# a session name among them, whoever knows a ticket's target could write it into any call
_TARGET_PARAMETERS = (
    *("userName", "roleName", "groupName", "policyArn", "roleArn", "instanceProfileName", "serialNumber"),
    *("bucketName", "name", "trailName", "detectorId", "groupId", "snapshotId", "imageId", "instanceId", "volumeId"),
    *("keyId", "secretId", "functionName", "dBInstanceIdentifier", "dBSnapshotIdentifier", "resourceArn"),
)
_USER = ('$."requestParameters"."userName"', '$."responseElements"."accessKey"."userName"')
TARGETS_OF = {
    "aws": (
        *(f'$."requestParameters"."{name}"' for name in _TARGET_PARAMETERS),
        '$."responseElements"."accessKey"."userName"',
        '$."resources"[*]."ARN"',
    ),
    "gcp": ('$."protoPayload"."resourceName"',),
    "azure": ('$."resourceId"',),
}
# Calls about a user's credentials act on that user alone; other parameters are ignored by the provider and free text
_OF_A_USER = (
    *("CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey", "CreateLoginProfile", "UpdateLoginProfile"),
    *("DeleteLoginProfile", "UploadSSHPublicKey", "UploadSigningCertificate", "CreateServiceSpecificCredential"),
    *("ResetServiceSpecificCredential", "ChangePassword"),
)
# Parameters that name nobody: a request with only these acts on whoever sends it
_NO_TARGETS = (
    *("accessKeyId", "status", "serviceName", "password", "oldPassword", "newPassword", "passwordResetRequired"),
    *("sSHPublicKeyBody", "certificateBody", "serviceSpecificCredentialId"),
)
_TICKETS = pa.schema(
    [
        *(("ticket_no", pa.int64()), ("ticket_id", pa.string()), ("system", pa.string()), ("account", pa.string())),
        *(("requester", pa.string()), ("requester_is_pattern", pa.bool_())),
        *(("target", pa.string()), ("target_is_pattern", pa.bool_()), ("action", pa.string())),
        *(("valid_from", pa.timestamp("us", "UTC")), ("valid_to", pa.timestamp("us", "UTC"))),
        ("width", pa.int64()),
    ]
)


def match_tickets(con: duckdb.DuckDBPyConnection, calls: str, events: str, reading: TicketReading, target: str) -> None:
    """Table `target` (provider, event_id, ticket_id): the events that a ticket covers, once each.

    `events` names a relation of CLOUD_AUDIT_EVENTS, `calls` one of the same events without their JSON.

    A ticket counts if it is approved, if the event lies in its window widened by CLOCK_TOLERANCE on both sides, and if
    system, action and whatever it says of account, requester and target fit. The account is the one called. The
    requester is the actor's ARN, user name or role; an actor of another account than the one called must be named with
    that account. A source identity is no requester: whoever assumes a role sets it. The target is a principal or
    resource that the request names, whole or its last part; a call on oneself (no parameter names a target) has its
    actor as target. Case does not count, `*` stands for any text but the name of a session: who assumes a role chooses
    that name, so a pattern sees the role's part of `assumed-role/ROLE/SESSION` only. Of several tickets the one with
    the narrowest window is named, then the first in order of ids.
    """
    tickets = _tickets_of(con, calls, reading)
    if not tickets:  # a usual day: planning the statement takes longer than the rows of a small one
        columns = "provider varchar, event_id varchar, ticket_id varchar"
        con.execute(f"create or replace temp table {target} ({columns})")
        return
    _register(con, tickets)
    sql = read_sql(PACKAGE, "ticket_matches").replace("{calls}", calls).replace("{events}", events)
    for name, expression in (
        ("foreign", _FOREIGN),
        ("actor_texts", _ACTORS),
        ("sessionless", _SESSIONLESS),
        ("targets", _targets()),
        ("names_nothing", _names_nothing()),
    ):
        sql = sql.replace(f"{{{name}}}", expression)
    con.execute(f"create or replace temp table {target} as {sql}")
    con.unregister("context_tickets")


def state_sql(reading: TicketReading, ticket_id: str, event_time: str) -> str:
    """SQL of an event's state: present with a ticket, absent where the register covers the instant, else unknown."""
    if reading.reason is not None:
        return f"'{UNKNOWN}'"
    bounds = [
        f"{event_time} {comparison} timestamptz '{bound.isoformat()}'"
        for comparison, bound in ((">=", reading.covers_from), ("<=", reading.covers_until))
        if bound is not None
    ]
    covered = " and ".join(bounds) or "true"
    return f"case when {ticket_id} is not null then '{PRESENT}' when {covered} then '{ABSENT}' else '{UNKNOWN}' end"


# only AWS says whose account an actor is of, in the terms of the account that was called
_ACTOR_ACCOUNT = "coalesce(actor_account, nullif(split_part(actor_arn, ':', 5), ''))"
_FOREIGN = f"coalesce(provider = 'aws' and {_ACTOR_ACCOUNT} <> account, false)"
_ACTORS = (
    f"[actor_arn, case when not {_FOREIGN} then actor_user end, actor_issuer_arn, "
    "case when provider = 'aws' then split_part(principal, '#', 1) else principal end]"
)
# A text with the name of its session left out, as ARN of STS or as id of a principal (of a role, or of an account for
# a federated user); other texts as they are
_SESSION = "^(arn:[^:]*:sts:[^:]*:[^:]*:(?:assumed-role|federated-user)/(?:.*/)?|(?:aroa[0-9a-z]+|[0-9]{12}):)[^/]*$"
_SESSIONLESS = f"regexp_replace(lower(text), '{_SESSION}', '\\1')"


def _targets() -> str:
    """SQL of the list of what an event of {events} acts on."""
    kinds = [f"when e.provider = 'aws' and lower(e.event_name) in ({_literals(_OF_A_USER)}) then {_listed(_USER)}"]
    for provider, paths in TARGETS_OF.items():
        if provider == "aws":  # what a user's name stands beside is a name of something of that user
            unnamed = [path for path in paths if not path.endswith('."name"')]
            about_user = f"json_extract_string(event, '{_USER[0]}') is not null"
            kinds.append(f"when e.provider = 'aws' and {about_user} then {_listed(unnamed)}")
        kinds.append(f"when e.provider = '{provider}' then {_listed(paths)}")
    return f"case {' '.join(kinds)} else [] end"


def _names_nothing() -> str:
    """SQL of whether an AWS request of {events} has no parameter that could name a target."""
    keys = """json_keys(event, '$."requestParameters"')"""
    others = f"[key for key in coalesce({keys}, []) if lower(key) not in ({_literals(_NO_TARGETS)})]"
    return f"e.provider <> 'aws' or len({others}) = 0"


def _literals(names: Sequence[str]) -> str:
    return ", ".join(f"'{name.lower()}'" for name in names)


def _listed(paths: Sequence[str]) -> str:
    return f"[{', '.join(map(_texts, paths))}]"


def _texts(path: str) -> str:
    quoted = f"json_extract_string(event, '{path}')"
    return quoted if "[*]" not in path else f"{quoted}[1], {quoted}[2], {quoted}[3], {quoted}[4]"


def _tickets_of(con: duckdb.DuckDBPyConnection, calls: str, reading: TicketReading) -> list[Ticket]:
    """Approved tickets that are valid while something was called: of a year's register, few are."""
    ((first, last),) = con.execute(f"select min(event_time), max(event_time) from {calls}").fetchall()  # noqa: S608
    if reading.reason is not None or first is None:
        return []
    begins, ends = _moved(first, -CLOCK_TOLERANCE), _moved(last, CLOCK_TOLERANCE)
    return [
        ticket
        for ticket in reading.tickets
        if ticket.is_approved and ticket.valid_from <= ends and ticket.valid_to >= begins
    ]


def _register(con: duckdb.DuckDBPyConnection, tickets: Sequence[Ticket]) -> None:
    rows = [
        (
            number,
            ticket.ticket_id,
            ticket.system,
            None if ticket.account is None else ticket.account.lower(),
            *_comparison(ticket.requester),
            *_comparison(ticket.target),
            _like(ticket.action),
            _moved(ticket.valid_from, -CLOCK_TOLERANCE),
            _moved(ticket.valid_to, CLOCK_TOLERANCE),
            (ticket.valid_to - ticket.valid_from) // timedelta(seconds=1),
        )
        for number, ticket in enumerate(tickets)
    ]
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _TICKETS, strict=True)]
    con.register("context_tickets", pa.table(arrays, schema=_TICKETS))


def _moved(instant: datetime, by: timedelta) -> datetime:
    try:
        return instant + by
    except OverflowError:  # a window that begins or ends with the calendar
        return instant


def _comparison(pattern: str | None) -> tuple[str | None, bool]:
    """Text to compare with, and whether by LIKE: most tickets name one user, and equality joins fast."""
    if pattern is None or "*" not in pattern:
        return pattern if pattern is None else pattern.lower(), False
    return _like(pattern), True


def _like(pattern: str) -> str:
    """The pattern for LIKE … ESCAPE '!': only `*` is special."""
    escaped = pattern.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return escaped.replace("*", "%")
