"""Names of OCSF 1.x for audit events: class and activity, from what the provider calls an operation.

The events keep the provider's own names beside these.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

API_ACTIVITY, AUTHENTICATION = 6003, 3002
CREATE, READ, UPDATE, DELETE, LOGON, OTHER = "Create", "Read", "Update", "Delete", "Logon", "Other"
SUCCESS, FAILURE = "Success", "Failure"

_SIGN_INS = frozenset(
    {
        "ConsoleLogin",
        "SwitchRole",
        "RenewRole",
        "ExitRole",
        "UserAuthentication",
        "CredentialVerification",
        "Authenticate",
        "google.login.LoginService.loginSuccess",
        "google.login.LoginService.loginFailure",
    }
)
_VERBS = (
    (
        CREATE,
        "create|run|allocate|import|register|issue|launch|provision|insert|copy|start|new|generate|publish|submit",
    ),
    (READ, "get|list|describe|lookup|search|query|scan|view|read|check|head|select|download|batchget|export|preview"),
    (
        UPDATE,
        (
            "update|put|modify|set|attach|associate|authorize|add|enable|disable|change|replace|reset|rotate|tag|untag|"
            "restore|reboot|patch|stop|activate|deactivate|write|upload|move|apply|revoke|detach|disassociate|deregister"
        ),
    ),
    (DELETE, "delete|remove|terminate|destroy|purge|release|cancel|schedulekeydeletion"),
)
_BY_VERB = tuple((activity, re.compile(rf"(?:{verbs})", re.IGNORECASE)) for activity, verbs in _VERBS)


class Name(NamedTuple):
    """OCSF's class id and the caption of its activity."""

    class_uid: int
    activity: str


@lru_cache(maxsize=50_000)
def name(event_name: str | None, read_only: bool | None) -> Name:  # noqa: FBT001 - a value of the event
    """Class and activity of an operation: `CreateUser`, `storage.buckets.delete`, `MICROSOFT.COMPUTE/…/WRITE`.

    The verb decides, then whether the provider says that nothing changes.
    """
    if event_name is None:
        return Name(API_ACTIVITY, READ if read_only else OTHER)
    if event_name in _SIGN_INS:
        return Name(AUTHENTICATION, LOGON)
    last = re.split(r"[./]", event_name.removesuffix("/action").removesuffix("/ACTION"))[-1]
    for activity, verbs in _BY_VERB:
        if verbs.match(last):
            return Name(API_ACTIVITY, READ if read_only else activity)
    return Name(API_ACTIVITY, READ if read_only else OTHER)
