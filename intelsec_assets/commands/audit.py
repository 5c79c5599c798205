"""`intelsec audit`: which audit logs were taken and what is odd in them, one event with all that is known, any files.

Reading, landing and tables are in `intelsec_assets.detections.audit`; nothing is taken or written here.
"""

from __future__ import annotations

import json as jsons
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from intelsec_assets.commands.faces import (
    DONE,
    FOUND_SOMETHING,
    WRONG_USE,
    Data,
    Json,
    fail,
    harmless,
    print_json,
    workspace_settings,
)

audit = typer.Typer(no_args_is_help=True, help="Cloud audit logs: what was taken, what is odd, single events.")

_SHOWN = 20  # unreadable files that are named


@audit.command("status")
def status(data: Data = None, json: Json = False) -> None:
    """Sources, files taken and unreadable, events and anomalies a day, deliveries of an event after its first apart.

    Exit code 1 when files or records could not be used or fetched, or what was taken of them is damaged.

    Example: intelsec audit status --data samples/data
    """
    from intelsec_assets.detections.audit.landing import Landing
    from intelsec_assets.detections.audit.telemetry import load_telemetry

    settings = workspace_settings(data)
    landing = Landing(settings.home / "audit")
    telemetry = load_telemetry(settings.data_root)
    days = _days(landing)
    sources = []
    for source in telemetry.audit:
        files = landing.register.files(source.name)
        states = Counter(file.status for file in files)
        not_fetched = landing.register.not_fetched(source.name)
        unreadable = [file for file in files if file.reason is not None]
        events, delivered = (sum(day[of].get(source.name, 0) for day in days) for of in ("sources", "delivered"))
        sources.append(
            {
                "source": source.name,
                "provider": source.provider,
                "location": source.location,
                "files": len(files),
                "digests": states["digest"],
                "unreadable": states["unreadable"],
                "events": events,
                "delivered": delivered,
                "delivered_twice": delivered - events,
                "rejected": sum(file.rejected for file in files),
                "newest": max((str(file.taken_at) for file in files), default=None),
                "defects": [
                    {"file": file.key, "status": file.status, "reason": file.reason, "detail": file.detail}
                    for file in unreadable
                ],
                "not_fetched": [{"file": file.key, "why": file.why, "since": str(file.since)} for file in not_fetched],
            }
        )
    if json:
        print_json({"sources": sources, "days": days})
    else:
        _print_status(sources, days)
    is_odd = any(one["rejected"] or one["not_fetched"] for one in sources)
    is_damaged = any(day["damaged"] or day["set_aside"] for day in days)
    raise typer.Exit(FOUND_SOMETHING if is_odd or is_damaged else DONE)


@audit.command("show")
def show(
    event_id: Annotated[str, typer.Argument(help="Id of the event, as findings and alerts name it.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """One event: its columns, what was odd, where it was delivered, and the whole event as delivered.

    Exit code 1 if nothing of that id has landed. Example: intelsec audit show 450230d4-b39e-4a18-a6a0-d07a6e2105cb
    """
    from intelsec_assets.detections.audit.days import find_event
    from intelsec_assets.detections.audit.landing import Landing
    from intelsec_assets.engine import session

    with session() as con:
        found = find_event(con, Landing(workspace_settings(data).home / "audit"), event_id)
    if found is None:
        fail(f"no event {event_id!r} has landed; intelsec audit status shows what has", FOUND_SOMETHING)
    found["event"] = _event(found["event"])
    if json:
        print_json(found)
        return
    for name, value in found.items():
        if name != "event" and value is not None and value != []:
            shown = ", ".join(value) if isinstance(value, list) else str(value)
            typer.echo(f"{name:<18}{_on_a_line(shown)}")
    typer.echo(jsons.dumps(found["event"], indent=2, ensure_ascii=True))


@audit.command("read")
def read(
    files: Annotated[list[str], typer.Argument(help="Audit log files, - for standard input.")],
    provider: Annotated[
        str | None, typer.Option("--provider", help="aws, gcp or azure; told from the file unless given.")
    ] = None,
    json: Json = False,
) -> None:
    """Events of any files, in the columns of cloud_audit_events, a line each; what is no event goes to stderr.

    With --json what could not be used are lines too, with reason and detail in place of columns.

    Exit code 1 if something could not be used. Example: intelsec audit read trail.json.gz | jq .event_name
    """
    from intelsec_assets.detections.audit.fields import PROVIDERS

    if provider is not None and provider not in PROVIDERS:
        fail(f"--provider {provider!r} is unknown: expected one of {', '.join(PROVIDERS)}", WRONG_USE)
    is_odd = False
    for name in files:
        is_odd = _read_one(name, provider, as_json=json) or is_odd
    raise typer.Exit(FOUND_SOMETHING if is_odd else DONE)


def _read_one(name: str, provider: str | None, *, as_json: bool) -> bool:
    """Print the events of one file; whether something of it could not be used."""
    from intelsec_assets.detections.audit.delivery import delivery_of, provider_of
    from intelsec_assets.detections.audit.fields import AWS
    from intelsec_assets.detections.audit.reading import batches
    from intelsec_assets.detections.audit.taking import sha256
    from intelsec_assets.detections.audit.typed import Delivery
    from intelsec_assets.detections.audit.unpacking import Unpacking
    from intelsec_assets.engine import session
    from intelsec_assets.resources.workspace import system_clock

    is_odd = False
    with ExitStack() as opened, session() as con:
        stream, modified = _opened(name, opened)
        digest = sha256(stream)
        first = next(Unpacking(stream).blocks(2**18), b"")
        stream.seek(0)
        cloud = provider or provider_of(first) or AWS
        at, latest = delivery_of(name, modified, system_clock())
        delivery = Delivery("", cloud, name, at, digest, latest)
        for batch in batches(con, [(delivery, stream)]):
            for row in batch.rows.table.to_pylist():
                sys.stdout.write(jsons.dumps(row | {"event": _event(row["event"])}, default=str) + "\n")
            for _, why in batch.broken:
                fail(f"{name}: cannot be read: {why}; expected an audit log file", WRONG_USE)
            for one in batch.rows.odd:
                is_odd = True
                said = {"file": name, "record": one.odd.record, "reason": one.odd.reason, "detail": one.odd.detail}
                if as_json:
                    sys.stdout.write(jsons.dumps(said) + "\n")
                else:
                    text = f"{name}, record {one.odd.record}: {one.odd.reason}: {one.odd.detail}"
                    typer.echo(_on_a_line(text), err=True)
    return is_odd


def _opened(name: str, opened: ExitStack) -> tuple[BinaryIO, datetime]:
    import io

    from intelsec_assets.resources.workspace import system_clock

    if name == "-":
        return io.BytesIO(sys.stdin.buffer.read()), system_clock()
    try:
        path = Path(name)
        stream = opened.enter_context(path.open("rb"))
        return stream, datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        fail(f"{name}: cannot be read: {error.strerror}; expected an audit log file", WRONG_USE)


def _on_a_line(text: str) -> str:
    """Harmless, and line breaks as signs: what an event holds must not look like a line of this command."""
    return harmless(text).replace("\n", "\\n")


def _event(text: str) -> Any:
    try:
        return jsons.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text


def _days(landing: Any) -> list[dict[str, Any]]:
    from intelsec_assets.detections.audit.days import day_counts
    from intelsec_assets.engine import session

    with session() as con:
        return list(_rows(day_counts(con, landing)))


def _rows(counts: Iterator[Any]) -> Iterator[dict[str, Any]]:
    for count in counts:
        yield {
            "day": str(count.day),
            "events": count.events,
            "delivered_twice": count.delivered_twice,
            "sources": dict(count.sources),
            "delivered": dict(count.delivered),
            "anomalies": dict(count.anomalies),
            "damaged": [str(part) for part in count.damaged],
            "set_aside": [str(part) for part in count.aside],
        }


def _print_status(sources: list[dict[str, Any]], days: list[dict[str, Any]]) -> None:
    if not sources:
        typer.echo("no audit sources: write telemetry.yaml into the data root")
    else:
        typer.echo(
            f"{'source':<20}{'provider':<10}{'files':>8}{'events':>12}{'twice':>10}{'rejected':>10}{'unreadable':>12}"
            "  location"
        )
    for one in sources:
        counts = f"{one['files']:>8,}{one['events']:>12,}{one['delivered_twice']:>10,}{one['rejected']:>10,}"
        counts += f"{one['unreadable']:>12,}"
        typer.echo(f"{one['source']:<20}{one['provider']:<10}{counts}  {one['location']}")
        for defect in one["defects"][:_SHOWN]:
            typer.echo(_on_a_line(f"    {defect['file']}: {defect['reason']}: {defect['detail']}"))
        if len(one["defects"]) > _SHOWN:
            typer.echo(f"    and {len(one['defects']) - _SHOWN:,} more; --json shows all")
        for file in one["not_fetched"][:_SHOWN]:
            typer.echo(_on_a_line(f"    {file['file']}: not fetched since {file['since']}: {file['why']}"))
        if len(one["not_fetched"]) > _SHOWN:
            typer.echo(f"    and {len(one['not_fetched']) - _SHOWN:,} more not fetched; --json shows all")
    for day in days:
        odd = ", ".join(f"{name} {count:,}" for name, count in day["anomalies"].items())
        twice = f", {day['delivered_twice']:,} delivered twice" if day["delivered_twice"] else ""
        typer.echo(f"{day['day']}  {day['events']:>10,} events{twice}  {odd}")
        for part in day["damaged"]:
            typer.echo(f"    damaged: {part}; intelsec run --day {day['day']} takes its files again")
        for part in day["set_aside"]:
            typer.echo(f"    damaged and set aside: {part}; intelsec status says whether anything is missing")
