"""Logs as events with fields, to standard error: key=value for people, JSON lines with INTELSEC_LOG=json.

What is logged is decided where it happens; here it is only shown, with secrets taken out.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, TextIO

import structlog

HIDDEN = "***"
# a shorter secret would hide harmless words; no provider hands out one
_LEAST_SECRET = 6
# `key` alone or as a part of a name, so `auth_key` and `apiKey` but neither `keyword` nor `monkey`
_SECRET_FIELD = re.compile(
    r"(?:^|[_\-.\s])(?:api)?keys?(?:$|[_\-.\s])|(?-i:[a-z]Key$)|token|passw(?:or)?d|passphrase|secret|authorization|cookie",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(r"(?:^|_)(?:KEY|TOKEN|PASSWORD|SECRET)(?:$|_)")
_URL_PASSWORD = re.compile(r"(?P<user>\b[a-z][a-z0-9+.\-]*://[^\s/:@]*):[^\s/@]+@", re.IGNORECASE)


def configure(
    *, credentials: Iterable[str] = (), env: Mapping[str, str] | None = None, stream: TextIO | None = None
) -> None:
    """Send events to `stream` (standard error) in the form that INTELSEC_LOG asks for: `text` (default) or `json`.

    `credentials` are names of environment variables whose values are secrets, as feeds name them in the catalogue;
    those whose own name says so (…_KEY, …_TOKEN, …_PASSWORD, …_SECRET) are found without being listed.
    Raises ValueError for another value of INTELSEC_LOG.
    """
    env = os.environ if env is None else env
    form = env.get("INTELSEC_LOG", "") or "text"
    if form not in {"text", "json"}:
        raise ValueError(f"INTELSEC_LOG={form}: choose text or json")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            Redaction(secrets(env, credentials)),
            _renderer(form),
        ],
        # looked up at each event unless given: tests and Dagster replace sys.stderr
        logger_factory=structlog.PrintLoggerFactory(stream) if stream else lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def secrets(env: Mapping[str, str], credentials: Iterable[str] = ()) -> frozenset[str]:
    """Values of the environment that must not be shown: of the variables named, and of those whose name says so."""
    named = set(credentials) | {name for name in env if _SECRET_VARIABLE.search(name)}
    return frozenset(env[name] for name in named if len(env.get(name, "")) >= _LEAST_SECRET)


class Redaction:
    """A structlog processor: hides fields by name, known secrets wherever they stand, and passwords in addresses."""

    def __init__(self, known: Iterable[str]) -> None:
        """Take the secrets' values; longer ones go first, so that one inside another leaves no rest."""
        self._known = sorted(known, key=lambda secret: (-len(secret), secret))

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The event without secrets."""
        return {name: self._field(name, value) for name, value in event.items()}

    def _field(self, name: str, value: Any) -> Any:
        return HIDDEN if _SECRET_FIELD.search(name) and value is not None else self._clean(value)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self._clean(name): self._field(str(name), inner) for name, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(inner) for inner in value]
        if isinstance(value, bool | int | float) or value is None:
            return value
        text = value if isinstance(value, str) else str(value)
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        return _URL_PASSWORD.sub(rf"\g<user>:{HIDDEN}@", text)


def _renderer(form: str) -> Any:
    if form == "json":
        return structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=True)
    return _line_for_people


_LOGFMT = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)


def _line_for_people(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
    """One line of key=value, line breaks in values escaped; a traceback follows as it is."""
    trace = event.pop("exception", None)
    line = _LOGFMT(logger, method, {re.sub(r'[\s="]', "_", name): value for name, value in event.items()})
    return line if trace is None else f"{line}\n{trace}"
