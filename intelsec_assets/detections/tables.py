"""Tables of the lake about detections: grain, columns, types, order, as `intelsec_assets.tables` describes them.

How a table is computed does not belong here.
"""

from __future__ import annotations

from intelsec_assets.tables import Column, Table

_TSTZ, _LIST = "TIMESTAMPTZ", "VARCHAR[]"

CLOUD_AUDIT_EVENTS = Table(
    "cloud_audit_events",
    "one event of a cloud's audit log, by the day it happened; of an event delivered twice the first delivery",
    (
        Column("day", "DATE", "day of the event, UTC"),
        Column("event_id", "VARCHAR", "the provider's event id; without one, a hash over the event"),
        Column("event_time", _TSTZ, "when it happened, by the provider's clock"),
        Column("provider", "VARCHAR", "aws, gcp or azure"),
        Column("source", "VARCHAR", "source of the telemetry configuration it was delivered by"),
        Column("event_source", "VARCHAR", "service as the provider names it: iam.amazonaws.com", nullable=True),
        Column("event_name", "VARCHAR", "operation as the provider names it: CreateAccessKey", nullable=True),
        Column("event_type", "VARCHAR", "AwsApiCall, AwsServiceEvent, AwsConsoleSignIn, …", nullable=True),
        Column("event_category", "VARCHAR", "Management, Data, Insight, …", nullable=True),
        Column("region", "VARCHAR", "region the call was made to", nullable=True),
        Column("account", "VARCHAR", "account, project or subscription that received the call", nullable=True),
        Column("read_only", "BOOLEAN", "whether the call changes nothing, where the provider says", nullable=True),
        Column("error_code", "VARCHAR", "why the call failed; NULL = it did not", nullable=True),
        Column("error_message", "VARCHAR", "the same in words", nullable=True),
        Column("actor_type", "VARCHAR", "IAMUser, AssumedRole, Root, AWSService, …", nullable=True),
        Column("actor_arn", "VARCHAR", "ARN, e-mail address or object id of who called", nullable=True),
        Column("actor_principal", "VARCHAR", "principal id of who called", nullable=True),
        Column("actor_account", "VARCHAR", "account of who called", nullable=True),
        Column("actor_user", "VARCHAR", "user name, where the provider gives one", nullable=True),
        Column("actor_access_key", "VARCHAR", "access key id the call was signed with", nullable=True),
        Column("actor_issuer_arn", "VARCHAR", "role behind the session", nullable=True),
        Column("actor_issuer_type", "VARCHAR", "what the session was made from", nullable=True),
        Column("actor_invoked_by", "VARCHAR", "service that called on someone's behalf", nullable=True),
        Column("mfa", "VARCHAR", "true or false as the session says; NULL = not said", nullable=True),
        Column(
            "principal",
            "VARCHAR",
            "who it is across sessions: the role's ARN for sessions, else the actor",
            nullable=True,
        ),
        Column("source_text", "VARCHAR", "sourceIPAddress as delivered", nullable=True),
        Column("source_address", "VARCHAR", "the address in canonical form, if it is one", nullable=True),
        Column("source_service", "VARCHAR", "the service that stands in the address's place", nullable=True),
        Column("user_agent", "VARCHAR", "user agent as delivered", nullable=True),
        Column("resource", "VARCHAR", "first resource the event names", nullable=True),
        Column("ocsf_class", "INTEGER", "OCSF class: 6003 API Activity, 3002 Authentication", nullable=True),
        Column("ocsf_activity", "VARCHAR", "Create, Read, Update, Delete, Logon or Other", nullable=True),
        Column("ocsf_status", "VARCHAR", "Success or Failure", nullable=True),
        Column("anomalies", _LIST, "what was odd and how it was taken: service_as_address, invalid_address, no_arn, …"),
        Column("event", "VARCHAR", "the whole event as JSON, as delivered"),
        Column("file", "VARCHAR", "file or object it was delivered in"),
        Column("record", "BIGINT", "place in that file from 1"),
        Column("file_sha256", "VARCHAR", "content hash of that file as delivered"),
        Column("delivered_at", _TSTZ, "when that file was delivered, by its name or its time stamp"),
        Column("request", "VARCHAR", "JSON of requestParameters, of GCP protoPayload.request", nullable=True),
        Column("response", "VARCHAR", "JSON of responseElements, of GCP protoPayload.response", nullable=True),
        Column("additional", "VARCHAR", "JSON of additionalEventData, of GCP protoPayload.metadata", nullable=True),
    ),
    ("event_time", "event_id"),
    row_group=20_480,  # an event has 1.3 kB of JSON, some have a hundred
)

REJECTED_AUDIT_RECORDS = Table(
    "rejected_audit_records",
    "one file, or record of a file, that could not be used, by the day it was taken in",
    (
        Column("day", "DATE", "day the file was delivered, UTC, by its name or its time stamp"),
        Column("source", "VARCHAR", "source of the telemetry configuration"),
        Column("file", "VARCHAR", "file or object"),
        Column("record", "BIGINT", "place in the file from 1; 0 = the whole file"),
        Column("file_sha256", "VARCHAR", "content hash of the file; empty if it could not be read", nullable=True),
        Column("reason", "VARCHAR", "short code of the reason"),
        Column("detail", "VARCHAR", "what was found and what was expected"),
        Column("raw", "VARCHAR", "first 4,096 characters of the record", nullable=True),
    ),
    ("source", "file", "record"),
)

AUDIT_CONTEXT = Table(
    "audit_context",
    "one cloud audit event with what no log line holds",
    (
        Column("day", "DATE", "day of the event, UTC"),
        Column("provider", "VARCHAR", "aws, gcp or azure: ids of events are each provider's own"),
        Column("event_id", "VARCHAR", "the event"),
        Column("context.ticket.state", "VARCHAR", "present, absent or unknown: a change ticket valid at that instant"),
        Column("context.ticket.id", "VARCHAR", "that ticket", nullable=True),
        Column("context.asn.number", "BIGINT", "autonomous system of the address", nullable=True),
        Column("context.asn.org", "VARCHAR", "its holder", nullable=True),
        Column("context.asn.country", "VARCHAR", "its country", nullable=True),
        Column("context.asn.state", "VARCHAR", "new, known, cold_start or unknown: that system for this principal"),
        Column("context.indicator.state", "VARCHAR", "match, none or unknown: the address among the indicators"),
        Column("context.indicator.id", "VARCHAR", "the indicator", nullable=True),
        Column("context.indicator.value", "VARCHAR", "its value", nullable=True),
        Column("context.indicator.score", "DOUBLE", "its score, 0 to 1", nullable=True),
        Column("context.indicator.decision", "VARCHAR", "export, hold or suppress", nullable=True),
        Column("context.indicator.campaign", "VARCHAR", "its campaign", nullable=True),
    ),
    ("provider", "event_id"),
)

PRINCIPAL_ASNS = Table(
    "principal_asns",
    "one autonomous system that a principal was seen from, as of the end of the day",
    (
        Column("day", "DATE", "as of the end of this day, UTC"),
        Column("principal", "VARCHAR", "who"),
        Column("asn", "BIGINT", "autonomous system"),
        Column("first_seen", _TSTZ, "first event from it"),
        Column("last_seen", _TSTZ, "last event from it"),
        Column("days_seen", "INTEGER", "days with an event from it"),
        Column("weight", "DOUBLE", "events from it, halved by age"),
    ),
    ("principal", "asn"),
)

SIGMA_FINDINGS = Table(
    "sigma_findings",
    "one match of a Sigma rule: an event, or a burst of events of one group",
    (
        Column("day", "DATE", "day of its last event, UTC"),
        Column(
            "finding_id",
            "VARCHAR",
            "the same rule, group and first event (its id and day) give the same id",
        ),
        Column("engine", "VARCHAR", "sigma"),
        Column("rule_id", "VARCHAR", "id of the rule"),
        Column("rule_title", "VARCHAR", "its title"),
        Column("rule_digest", "VARCHAR", "hash of the rule's text and of the exceptions that applied"),
        Column("level", "VARCHAR", "informational, low, medium, high or critical"),
        Column("kind", "VARCHAR", "event, correlation, or flood: more matches than a rule may have"),
        Column("certainty", "VARCHAR", "certain, or context_unknown: a source of context could not be read"),
        Column("mode", "VARCHAR", "live, or test: makes no alert for people"),
        Column("first_event_time", _TSTZ, "first event"),
        Column("last_event_time", _TSTZ, "last event"),
        Column("event_ids", _LIST, "its events in order of time, the first hundred"),
        Column("event_count", "BIGINT", "how many there are"),
        Column("group", "MAP(VARCHAR, VARCHAR)", "group-by fields of a correlation"),
        Column("dedup_key", "VARCHAR", "findings of a rule with the same key are one alert within its window"),
        Column("entity", "VARCHAR", "who or what it is about", nullable=True),
        Column("account", "VARCHAR", "account", nullable=True),
        Column("region", "VARCHAR", "region", nullable=True),
        Column("source_address", "VARCHAR", "address the calls came from", nullable=True),
        Column("resource", "VARCHAR", "what they touched", nullable=True),
        Column("indicator_ids", _LIST, "indicators that matched"),
        Column("indicator_score", "DOUBLE", "the highest score among them, 0 to 1", nullable=True),
        Column("attack", _LIST, "ATT&CK techniques and tactics of the rule"),
        Column("runbook", "VARCHAR", "what to do", nullable=True),
        Column("suppression_seconds", "BIGINT", "how long findings of the same key join one alert"),
        Column("noise_budget", "DOUBLE", "alerts a day that the rule may cost", nullable=True),
        Column("value", "DOUBLE", "what a correlation counted", nullable=True),
        Column("evidence", "MAP(VARCHAR, VARCHAR)", "fields the rule looked at, with the values of the first event"),
    ),
    ("first_event_time", "rule_id", "finding_id"),
)

ALERTS = Table(
    "alerts",
    "one alert, by the day of the last event that raised it; what it was raised with, not what became of it",
    (
        Column("day", "DATE", "day of the finding that raised it, UTC"),
        Column("alert_id", "VARCHAR", "the alert"),
        Column("engine", "VARCHAR", "sigma, falco, …"),
        Column("rule_id", "VARCHAR", "rule that raised it"),
        Column("rule_title", "VARCHAR", "its title"),
        Column("severity", "VARCHAR", "informational, low, medium, high or critical"),
        Column("severity_reason", "VARCHAR", "how rule, asset and indicator led to it"),
        Column("certainty", "VARCHAR", "certain or context_unknown"),
        Column("mode", "VARCHAR", "live or test"),
        Column("dedup_key", "VARCHAR", "findings of the rule with this key within the window are this alert"),
        Column("entity", "VARCHAR", "who or what it is about", nullable=True),
        Column("group_id", "VARCHAR", "alerts of one entity close in time share it"),
        Column("account", "VARCHAR", "account", nullable=True),
        Column("source_address", "VARCHAR", "address", nullable=True),
        Column("resource", "VARCHAR", "what was touched", nullable=True),
        Column("indicator_ids", _LIST, "indicators that matched"),
        Column("indicator_score", "DOUBLE", "highest score among them, 0 to 1", nullable=True),
        Column("attack", _LIST, "ATT&CK techniques and tactics"),
        Column("runbook", "VARCHAR", "what to do", nullable=True),
        Column("first_event_time", _TSTZ, "first event of the finding that raised it"),
        Column("last_event_time", _TSTZ, "last event of that finding"),
        Column("finding_id", "VARCHAR", "finding that raised it"),
        Column("evidence", "MAP(VARCHAR, VARCHAR)", "fields with their values in the first event"),
    ),
    ("first_event_time", "alert_id"),
)

ALERT_EVENTS = Table(
    "alert_events",
    "one change of an alert, by the day it was made",
    (
        Column("day", "DATE", "day of the change, UTC"),
        Column("seq", "BIGINT", "order of the changes"),
        Column("alert_id", "VARCHAR", "the alert"),
        Column("rule_id", "VARCHAR", "rule that raised it"),
        Column("event", "VARCHAR", "created, merged, acknowledged, triaged, dispositioned, closed or reopened"),
        Column("verdict", "VARCHAR", "true_positive, benign_true_positive, false_positive or duplicate", nullable=True),
        Column("actor", "VARCHAR", "who made it"),
        Column("actor_kind", "VARCHAR", "human or automation"),
        Column("at", _TSTZ, "when"),
        Column("note", "VARCHAR", "reason in words", nullable=True),
    ),
    ("seq",),
)

ALERT_DISPOSITIONS = Table(
    "alert_dispositions",
    "one judgement of an alert, or its withdrawal, by the day of it",
    (
        Column("day", "DATE", "day of the judgement, UTC"),
        Column("seq", "BIGINT", "order of the changes of alerts"),
        Column("alert_id", "VARCHAR", "the alert"),
        Column("rule_id", "VARCHAR", "rule that raised it"),
        Column("entity", "VARCHAR", "who or what it is about", nullable=True),
        Column("indicator_ids", _LIST, "indicators that matched"),
        Column("verdict", "VARCHAR", "true_positive, benign_true_positive, false_positive, duplicate or withdrawn"),
        Column("reason", "VARCHAR", "why, in words", nullable=True),
        Column("actor", "VARCHAR", "who gave it"),
        Column("actor_kind", "VARCHAR", "human or automation"),
        Column("at", _TSTZ, "when"),
    ),
    ("seq",),
)

RULE_QUALITY = Table(
    "rule_quality",
    "one rule as of the end of the day, over the window before it",
    (
        Column("day", "DATE", "as of the end of this day, UTC"),
        Column("rule_id", "VARCHAR", "the rule"),
        Column("rule_title", "VARCHAR", "its title"),
        Column("mode", "VARCHAR", "live, test or retired"),
        Column("window_days", "INTEGER", "days looked at"),
        Column("findings", "BIGINT", "findings in the window"),
        Column("alerts", "BIGINT", "alerts in the window"),
        Column("true_positives", "BIGINT", "alerts judged so; the newest judgement counts"),
        Column("benign_true_positives", "BIGINT", "alerts judged so"),
        Column("false_positives", "BIGINT", "alerts judged so"),
        Column("n", "BIGINT", "alerts with a judgement other than duplicate"),
        Column("fp_rate", "DOUBLE", "false positives over n, ratio", nullable=True),
        Column("fp_low", "DOUBLE", "lower end of its Wilson 95 % interval", nullable=True),
        Column("fp_high", "DOUBLE", "upper end of its Wilson 95 % interval", nullable=True),
        Column("precision_trend", "DOUBLE", "precision of the newer half less that of the older half", nullable=True),
        Column("alerts_per_day", "DOUBLE", "alerts a day"),
        Column("noise_budget", "DOUBLE", "alerts a day that it may cost", nullable=True),
        Column("is_over_budget", "BOOLEAN", "whether a day of the window was over it"),
        Column("last_finding", _TSTZ, "its newest finding; NULL = never fired", nullable=True),
        Column("is_sole_coverage", "BOOLEAN", "whether it is the only rule for one of its techniques"),
        Column("status", "VARCHAR", "insufficient_data, keep, tune, hold, never_fired or retire"),
        Column("reason", "VARCHAR", "why, in words"),
    ),
    ("rule_id",),
)

FEED_ACCURACY = Table(
    "feed_accuracy",
    "one feed that lists an indicator of a judged alert, over all verdicts until the end of the day",
    (
        Column("day", "DATE", "as of the end of this day, UTC"),
        Column("feed", "VARCHAR", "feed of the catalogue"),
        Column("true_positives", "BIGINT", "judged alerts on its indicators that were right, each once"),
        Column("false_positives", "BIGINT", "and those that were wrong"),
        Column("accuracy", "DOUBLE", "true over true and false ones, ratio"),
        Column("accuracy_low", "DOUBLE", "lower end of its Wilson 95 % interval"),
        Column("accuracy_high", "DOUBLE", "upper end of its Wilson 95 % interval"),
    ),
    ("feed",),
)

DETECTION_TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        CLOUD_AUDIT_EVENTS,
        REJECTED_AUDIT_RECORDS,
        AUDIT_CONTEXT,
        PRINCIPAL_ASNS,
        SIGMA_FINDINGS,
        ALERTS,
        ALERT_EVENTS,
        ALERT_DISPOSITIONS,
        RULE_QUALITY,
        FEED_ACCURACY,
    )
}
