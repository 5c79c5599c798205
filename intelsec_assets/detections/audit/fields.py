"""Names of fields in cloud audit events: which column holds one, the SQL that reads it, which names are published.

Sigma names a field by the provider's own dotted path; how events get into the columns belongs to `typed`.

As text a field is: NULL where the path is missing or JSON null; `true` or `false`; a number as it was written; an
object or a list as its JSON text. A path that leads through a list (`requestParameters.ipPermissions.items.cidrIp`)
gives the JSON list of what it finds in the elements, `["10.0.0.0/8","0.0.0.0/0"]`: `|contains` matches any of them,
equality none (`leads_through_list` says for which names that is).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from itertools import combinations

from intelsec_assets.detections.errors import EventError
from intelsec_assets.engine import sql_text

AWS, GCP, AZURE = "aws", "gcp", "azure"
PROVIDERS = (AWS, GCP, AZURE)

# Sigma's product and service of a log whose events are read here -> provider
LOGSOURCES = {("aws", "cloudtrail"): AWS, ("gcp", "gcp.audit"): GCP, ("azure", "activitylogs"): AZURE}
# what the activity log was called in SigmaHQ's rules of 2021
_FORMER_SERVICES = {"azureactivity": "activitylogs"}

CONTEXT = "context."  # prefix of the columns of audit_context

_TYPED_AWS = {
    "eventSource": "event_source",
    "eventName": "event_name",
    "eventType": "event_type",
    "eventCategory": "event_category",
    "awsRegion": "region",
    "recipientAccountId": "account",
    "readOnly": "read_only",
    "errorCode": "error_code",
    "errorMessage": "error_message",
    "userIdentity.type": "actor_type",
    "userIdentity.arn": "actor_arn",
    "userIdentity.principalId": "actor_principal",
    "userIdentity.accountId": "actor_account",
    "userIdentity.userName": "actor_user",
    "userIdentity.accessKeyId": "actor_access_key",
    "userIdentity.invokedBy": "actor_invoked_by",
    "userIdentity.sessionContext.sessionIssuer.arn": "actor_issuer_arn",
    "userIdentity.sessionContext.sessionIssuer.type": "actor_issuer_type",
    "userIdentity.sessionContext.attributes.mfaAuthenticated": "mfa",
    "sourceIPAddress": "source_text",
    "userAgent": "user_agent",
}
_TYPED_GCP = {
    "protoPayload.methodName": "event_name",
    "protoPayload.serviceName": "event_source",
    "protoPayload.authenticationInfo.principalEmail": "actor_user",
    "protoPayload.authenticationInfo.principalSubject": "actor_principal",
    "protoPayload.authenticationInfo.serviceAccountKeyName": "actor_access_key",
    "protoPayload.requestMetadata.callerIp": "source_text",
    "protoPayload.requestMetadata.callerSuppliedUserAgent": "user_agent",
    "protoPayload.resourceName": "resource",
}
_TYPED_AZURE = {
    "operationName": "event_name",
    "category": "event_category",
    "callerIpAddress": "source_text",
    "resourceId": "resource",
}
# provider -> name -> column; a name of another provider is a path in the event like any other
TYPED: Mapping[str, Mapping[str, str]] = {AWS: _TYPED_AWS, GCP: _TYPED_GCP, AZURE: _TYPED_AZURE}

# objects of an event that are columns of JSON by themselves, by provider: column -> path
PART_COLUMNS = ("request", "response", "additional")
PARTS: Mapping[str, Mapping[str, str]] = {
    AWS: dict(zip(PART_COLUMNS, ("requestParameters", "responseElements", "additionalEventData"), strict=True)),
    GCP: dict(
        zip(
            PART_COLUMNS,
            ("protoPayload.request", "protoPayload.response", "protoPayload.metadata"),
            strict=True,
        )
    ),
}
_PART_OF = {provider: {path: name for name, path in parts.items()} for provider, parts in PARTS.items()}

# names that rules in circulation use for the same field
ALIASES: Mapping[str, str] = {
    "gcp.audit.method_name": "protoPayload.methodName",
    "gcp.audit.service_name": "protoPayload.serviceName",
    "gcp.audit.resource_name": "protoPayload.resourceName",
    "gcp.audit.authentication_info.principal_email": "protoPayload.authenticationInfo.principalEmail",
}
_WRAPPED = "data."  # what Pub/Sub puts around a GCP entry, which is taken off when it is read

# objects whose keys belong to the service that was called: any name may stand below them
_OPEN = {
    AWS: (
        "requestParameters",
        "responseElements",
        "additionalEventData",
        "serviceEventDetails",
        "insightDetails",
        "edgeDeviceDetails",
        "eventContext",
        "userIdentity.sessionContext.webIdFederationData.attributes",
    ),
    GCP: (
        "protoPayload.request",
        "protoPayload.response",
        "protoPayload.metadata",
        "protoPayload.serviceData",
        "protoPayload.resourceOriginalState",
        "labels",
        "resource.labels",
    ),
    AZURE: ("properties", "identity.claims", "claims", "tenant"),
}
# lists by the published schema
_LISTS = {
    "resources",
    "protoPayload.authorizationInfo",
    "protoPayload.resourceLocation.currentLocations",
    "protoPayload.authenticationInfo.serviceAccountDelegationInfo",
}
_MOST_ALTERNATIVES = 3  # places at which a list is looked for; further in, all of them are taken for lists

_ISSUER = ("type", "principalId", "arn", "accountId", "userName")
_CLOSED = {
    # CloudTrail record contents, event version 1.11, and the userIdentity element
    AWS: frozenset(
        {
            *("eventTime", "eventVersion", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent"),
            *("errorCode", "errorMessage", "requestID", "eventID", "eventType", "apiVersion", "managementEvent"),
            *("readOnly", "recipientAccountId", "sharedEventID", "vpcEndpointId", "vpcEndpointAccountId"),
            *("eventCategory", "sessionCredentialFromConsole", "@timestamp", "resources", "userIdentity", "tlsDetails"),
            *("addendum", "addendum.reason", "addendum.updatedFields", "addendum.originalRequestID"),
            "addendum.originalEventID",
            *(f"resources.{name}" for name in ("ARN", "ARNPrefix", "accountId", "type")),
            *(
                f"tlsDetails.{name}"
                for name in ("tlsVersion", "cipherSuite", "clientProvidedHostHeader", "keyExchange")
            ),
            *(f"userIdentity.{name}" for name in (*_ISSUER, "accessKeyId", "invokedBy", "identityProvider")),
            *(f"userIdentity.{name}" for name in ("credentialId", "sessionContext", "onBehalfOf", "inScopeOf")),
            *("userIdentity.onBehalfOf.userId", "userIdentity.onBehalfOf.identityStoreArn"),
            *(
                f"userIdentity.inScopeOf.{name}"
                for name in ("issuerType", "credentialsIssuedTo", "sourceArn", "sourceAccount")
            ),
            *(f"userIdentity.sessionContext.sessionIssuer.{name}" for name in _ISSUER),
            *(
                f"userIdentity.sessionContext.{name}"
                for name in (
                    "attributes",
                    "attributes.mfaAuthenticated",
                    "attributes.creationDate",
                    "sessionIssuer",
                    "sourceIdentity",
                    "ec2RoleDelivery",
                    "assumedRoot",
                    "webIdFederationData",
                    "webIdFederationData.federatedProvider",
                )
            ),
        }
    ),
    # LogEntry and google.cloud.audit.AuditLog
    GCP: frozenset(
        {
            *("insertId", "logName", "timestamp", "receiveTimestamp", "severity", "protoPayload", "resource"),
            *("resource.type", "operation.id", "operation.producer", "operation.first", "operation.last", "trace"),
            *(f"protoPayload.{name}" for name in ("@type", "methodName", "serviceName", "resourceName")),
            *(f"protoPayload.{name}" for name in ("numResponseItems", "status", "status.code", "status.message")),
            *(
                f"protoPayload.authenticationInfo.{name}"
                for name in (
                    "principalEmail",
                    "principalSubject",
                    "authoritySelector",
                    "serviceAccountKeyName",
                    "serviceAccountDelegationInfo",
                    "thirdPartyPrincipal",
                    "oauthInfo.oauthClientId",
                )
            ),
            *(f"protoPayload.requestMetadata.{name}" for name in ("callerIp", "callerSuppliedUserAgent")),
            *(f"protoPayload.requestMetadata.{name}" for name in ("callerNetwork", "requestAttributes.time")),
            *(
                f"protoPayload.authorizationInfo.{name}"
                for name in (
                    "permission",
                    "granted",
                    "resource",
                    "permissionType",
                    "resourceAttributes.name",
                    "resourceAttributes.service",
                    "resourceAttributes.type",
                )
            ),
            *("protoPayload.authorizationInfo", "protoPayload.resourceLocation.currentLocations"),
            *("protoPayload.policyViolationInfo.orgPolicyViolationInfo.violationInfo.constraint",),
            *ALIASES,
        }
    ),
    # diagnostic export (`records`) and the REST shape (`value`) of the activity log
    AZURE: frozenset(
        {
            *("time", "resourceId", "operationName", "category", "resultType", "resultSignature", "resultDescription"),
            *("durationMs", "callerIpAddress", "correlationId", "identity", "level", "location", "tenantId"),
            *("caller", "channels", "description", "eventDataId", "eventTimestamp", "submissionTimestamp", "id"),
            *("operationId", "resourceGroupName", "subscriptionId", "roleLocation", "releaseVersion"),
            *(
                f"{name}.{part}"
                for name in (
                    "operationName",
                    "category",
                    "eventName",
                    "status",
                    "subStatus",
                    "resourceType",
                    "resourceProviderName",
                )
                for part in ("value", "localizedValue")
            ),
            *(f"httpRequest.{name}" for name in ("clientRequestId", "clientIpAddress", "method", "uri")),
            *(f"{name}" for name in ("authorization.action", "authorization.role", "authorization.scope")),
            *(f"identity.authorization.{name}" for name in ("action", "scope", "evidence.role", "evidence.roleType")),
            *("identity.authorization.evidence.principalId", "identity.authorization.evidence.principalType"),
            *("identity.authorization.evidence.roleAssignmentId", "identity.authorization.evidence.roleDefinitionId"),
        }
    ),
}


_ENTRY = {name.split(".")[0] for name in (*_CLOSED[GCP], *_OPEN[GCP])} - {"gcp"}  # top level of a LogEntry


def known_fields(provider: str) -> frozenset[str]:
    """Published names of a provider (aws, gcp, azure), and patterns `requestParameters.*` where any name may follow."""
    return _CLOSED[provider] | {name for open_ in _OPEN[provider] for name in (open_, f"{open_}.*")}


def is_known(field: str, provider: str) -> bool:
    """Whether a provider publishes the name; names are case-sensitive, as JSON keys are."""
    known = known_fields(provider)
    if provider == GCP:
        field = _resolved(field)
    return field in known or any("*" in name and fnmatchcase(field, name) for name in known)


def leads_through_list(field: str) -> bool:
    """Whether the path leads through what may be a list: its text is then a JSON list, and equality matches nothing."""
    segments = tuple(_resolved(field).split("."))
    return any(True for _ in _list_paths(segments))


def provider_of_logsource(logsource: Mapping[str, str | None]) -> str | None:
    """The provider whose events a rule reads by Sigma's product, service and category; None: no log of ours.

    A product without a service is its audit log, a service without a product is its provider's. A logsource that names
    none of the three is AWS.
    """
    product, service = logsource.get("product") or None, logsource.get("service") or None
    if logsource.get("category"):
        return None  # of programs and devices: no cloud's audit log has one
    service = _FORMER_SERVICES.get(service or "", service)
    if not product and not service:
        return AWS
    found = (
        provider
        for (its_product, its_service), provider in LOGSOURCES.items()
        if product in {None, its_product} and service in {None, its_service}
    )
    return next(found, None)


def no_log_of_ours(logsource: Mapping[str, str | None]) -> str:
    """What is said of a rule whose logsource belongs to no provider."""
    named = ", ".join(f"{key}: {logsource[key]}" for key in ("product", "service", "category") if logsource.get(key))
    known = ", ".join("/".join(names) for names in LOGSOURCES)
    return f"is for the log source {named}; events here are those of {known}"


def is_column(field: str, provider: str) -> bool:
    """Whether the field of a provider's events has a typed column."""
    return _resolved(field) in TYPED[provider]


def field_sql(field: str, provider: str, event: str = "event") -> str:
    """SQL over columns of cloud_audit_events (and audit_context for `context.*`) that gives a field of a provider.

    A typed column as it is; any other field as text out of `event`, a column or expression that holds JSON.
    Raises EventError for a name that no JSON path can hold.
    """
    name = _resolved(field)
    if name.startswith(CONTEXT):
        return quoted(name)
    if name in TYPED[provider]:
        return quoted(TYPED[provider][name])
    return json_sql(name, event)


def json_sql(field: str, event: str = "event") -> str:
    """SQL that takes the field out of the JSON in `event`, whatever columns there are. Raises EventError."""
    segments = tuple(_resolved(field).split("."))
    plain = f"json_extract_string({event}, {sql_text(_path(segments))})"
    through = listed_sql(segments, event)
    return plain if through is None else f"coalesce({plain}, {through})"


def listed_sql(segments: tuple[str, ...], event: str, known_below: int = 0) -> str | None:
    """SQL for what the elements of lists on the path hold, as a JSON list; NULL where no list is on it.

    `known_below`: how many segments from the left have been followed already (`event` is what they lead to).
    None if no list can be on the path. Raises EventError.
    """
    paths = [_through(segments, lists, known_below) for lists in _list_paths(segments)]
    if not paths:
        return None
    found = [f"nullif(json_extract_string({event}, {sql_text(path)}), [])" for path in paths]
    # looking for the key first spares nearly every row the parsing
    key = sql_text(f'"{segments[-1]}"')
    return f"case when contains({event}::varchar, {key}) then to_json(coalesce({', '.join(found)}))::varchar end"


def first_list(field: str) -> int | None:
    """Place (from 0) of the first segment that may hold a list; None if none of them may."""
    places = [lists[0] for lists in _list_paths(tuple(_resolved(field).split(".")))]
    return min(places, default=None)


def below_sql(segments: tuple[str, ...], event: str, known_below: int) -> str:
    """SQL for a field out of `event`, which holds what the first `known_below` segments lead to. Raises EventError."""
    plain = f"json_extract_string({event}, {sql_text(_path(segments[known_below:]))})"
    through = listed_sql(segments, event, known_below)
    return plain if through is None else f"coalesce({plain}, {through})"


def extraction(
    fields: Collection[str],
    provider: str,
    event: str = "event",
    *,
    parts: Collection[str] = (),
    rows: str = "",
) -> tuple[dict[str, str], dict[str, str]]:
    """Many JSON fields of a provider's events for the price of one parse of each column that holds some.

    Returns list expressions by the name to select each of them AS, and each field over those names: `with e as (select
    *, <list> as extracted …) select <field> …`. Fields with a typed column are not taken from JSON;
    those within a column of `parts`, which the rows (named `rows.` if not bare) have, are
    taken out of that. Raises EventError.
    """
    out: dict[str, str] = {}
    paths: dict[str, list[str]] = {}
    for field in fields:
        name = _resolved(field)
        if name.startswith(CONTEXT) or name in TYPED[provider]:
            out[field] = field_sql(field, provider)
            continue
        segments = tuple(name.split("."))
        part, known = part_of(name, provider, parts)
        values, holder = ("extracted", event) if part is None else (f"extracted_{part}", f"{rows}{quoted(part)}")
        wanted = paths.setdefault(values, [])
        wanted.append(_path(segments[known:]))
        plain = f"{values}[{len(wanted)}]"
        through = listed_sql(segments, holder, known)
        out[field] = plain if through is None else f"coalesce({plain}, {through})"
    holders = {f"extracted_{part}": f"{rows}{quoted(part)}" for part in parts} | {"extracted": event}
    return {
        values: f"json_extract_string({holders[values]}, [{', '.join(map(sql_text, wanted))}]::varchar[])"
        for values, wanted in paths.items()
    }, out


def part_of(field: str, provider: str, parts: Collection[str] = PART_COLUMNS) -> tuple[str | None, int]:
    """The column of `parts` that holds a field, and how many of its segments lead to that; (None, 0) if none does."""
    segments = _resolved(field).split(".")
    for size in range(1, len(segments) + 1):
        part = _PART_OF.get(provider, {}).get(".".join(segments[:size]))
        if part in parts:
            return part, size
    return None, 0


def json_path(field: str) -> str:
    """The path of DuckDB's JSON functions that leads to a field. Raises EventError."""
    return _path(tuple(_resolved(field).split(".")))


def column_name(field: str) -> str:
    """Name of a column that holds a field of events by its Sigma name.

    Names of columns know no case and those of fields do, so the column says which letters are capitals. It is the name
    of no other column.
    """
    capitals = sum(1 << place for place, letter in enumerate(field) if letter.isupper())
    return f"f:{field}:{capitals:x}"


def column(field: str) -> str:
    """`column_name` as an SQL identifier."""
    return quoted(column_name(field))


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@cache
def _resolved(field: str) -> str:
    inner = field.removeprefix(_WRAPPED)
    if inner.split(".")[0] in _ENTRY:
        field = inner
    return ALIASES.get(field, field)


def _path(segments: tuple[str, ...], lists: Collection[int] = ()) -> str:
    """JSON path of DuckDB; after the segments at `lists` come all elements."""
    for segment in segments:
        # a star is every field to DuckDB, in quotes too
        if segment in {"", "*"} or '"' in segment or "\\" in segment or "\0" in segment:
            raise EventError(
                f"{'.'.join(segments)!r} is no name of a field: expected names joined by dots, without quotes or "
                "backslashes and with none of them empty or a star"
            )
    return "$" + "".join(f'."{segment}"' + ("[*]" if at in lists else "") for at, segment in enumerate(segments))


def _through(segments: tuple[str, ...], lists: tuple[int, ...], known_below: int) -> str:
    path = _path(segments[known_below:], [at - known_below for at in lists])
    # what was followed already may itself be the list
    return path.replace("$", "$[*]", 1) if known_below - 1 in lists else path


def _list_paths(segments: tuple[str, ...]) -> Iterator[tuple[int, ...]]:
    """Places (from 0, before the last) at which lists may stand together, the fewest first."""
    prefixes = [".".join(segments[: at + 1]) for at in range(len(segments) - 1)]
    certain = tuple(at for at, prefix in enumerate(prefixes) if prefix in _LISTS)
    if certain:
        yield certain
        return
    opened = {name for names in _OPEN.values() for name in names}
    start = next((at for at, prefix in enumerate(prefixes) if prefix in opened), None)
    if start is None:
        return
    possible = range(start + 1, len(segments) - 1)
    items = tuple(at for at in possible if segments[at] == "items")
    if items:  # EC2's lists in CloudTrail: {"items": [...]}
        yield items
        return
    if len(possible) > _MOST_ALTERNATIVES:
        yield from ((at,) for at in possible)
        yield tuple(possible)
        return
    for size in range(1, len(possible) + 1):
        yield from combinations(possible, size)
