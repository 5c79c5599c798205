"""What detections of a workspace read beside the lake: telemetry, its inbox, tickets, prefixes, rules and their modes.

Each part has its own module in `intelsec_assets.detections`; here they are found from the workspace's settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from intelsec_assets import engine
from intelsec_assets.days import ONE_DAY, day_end, day_start
from intelsec_assets.detections.alerts.asset_policy import FILE as POLICY_FILE
from intelsec_assets.detections.alerts.asset_policy import AssetPolicy, load_asset_policy
from intelsec_assets.detections.audit.landing import Landing, SetAside
from intelsec_assets.detections.audit.register import FileContent
from intelsec_assets.detections.audit.telemetry import Telemetry, load_telemetry
from intelsec_assets.detections.context.asn import AsnPrefixes, load_prefixes
from intelsec_assets.detections.context.tickets import NO_REGISTER, CsvTickets, TicketReading
from intelsec_assets.detections.errors import EventError, RuleError
from intelsec_assets.detections.quality.modes import MODES_FILE, modes_on, read_modes, with_modes

if TYPE_CHECKING:  # what takes its time to load
    from intelsec_assets.detections.audit.taking import Intake
    from intelsec_assets.detections.sigma.rules import RuleSet
    from intelsec_assets.detections.sigma.scan.firing import Prepared

_NAMED = 5  # files that a message names
_OF_HASH = 16  # signs of a hash that tell a file from all others

FolderState = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Arrived:
    """What a look at all sources came to; `away` are those that could not be read, by name, and why."""

    taken: tuple[Intake, ...]
    away: Mapping[str, str]

    @property
    def not_read(self) -> list[tuple[str, str, str]]:
        """Files that are there and could not be opened or read to their end, as (source, file, why)."""
        return [(one.source, file, why) for one in self.taken for file, why in sorted(one.not_fetched.items())]


@dataclass(frozen=True)
class DetectionSources:
    """The sources of one workspace; `folder` holds rules and exceptions."""

    home: Path
    data_root: Path | None
    folder: Path

    def telemetry(self) -> Telemetry:
        """Where logs, tickets and prefixes lie. Raises EventError."""
        return load_telemetry(self.data_root)

    def tickets(self, day: date, now: datetime) -> TicketReading:
        """What the register says `now` of a day; without one nothing is known."""
        file = self.telemetry().tickets_csv
        return CsvTickets(self._file(file), now).tickets(day_start(day), day_end(day)) if file else NO_REGISTER

    def prefixes(self) -> AsnPrefixes | None:
        """Networks and who holds them; None = none named."""
        telemetry = self.telemetry()
        if not (telemetry.asn_csv or telemetry.asn_mmdb):
            return None
        databases = [self._file(telemetry.asn_mmdb)] if telemetry.asn_mmdb else []
        return load_prefixes([self._file(file) for file in telemetry.asn_csv], databases)

    def _file(self, name: str) -> Path:
        assert self.data_root is not None  # else nothing is configured
        return self.data_root / name

    def landing(self) -> Landing:
        """Where what was taken lies until its day is built."""
        return Landing(self.home / "audit")

    def take(self, clock: Callable[[], datetime], *, max_files: int | None = None) -> Arrived:
        """Take in what has arrived at every source, at most `max_files` of each; one that is away stops no other.

        Raises EventError for a configuration that cannot be used.
        """
        from intelsec_assets.detections.audit.taking import take

        landing, taken, away = self.landing(), [], {}
        with engine.session() as con:
            for source in self.telemetry().audit:
                try:
                    taken.append(take(con, landing, source, self.data_root, clock=clock, max_files=max_files))
                except EventError as error:
                    away[source.name] = str(error)
        return Arrived(tuple(taken), away)

    def take_again(self, day: date, clock: Callable[[], datetime]) -> list[str]:
        """Set damaged parts of a day aside and take the files again that they were made of; of each what to know.

        Raises EventError.
        """
        landing = self.landing()
        damaged = landing.set_aside(day)
        self.take(clock)
        return [_told(one, landing.still_out(one)) for one in damaged]

    def asset_policy(self) -> AssetPolicy:
        """What accounts, principals and resources are worth."""
        file = None if self.data_root is None else self.data_root / POLICY_FILE
        return load_asset_policy(file if file is not None and file.is_file() else None)

    def all_rules(self, day: date) -> RuleSet:
        """Every rule that can be used, with the exceptions that apply on the day, whatever mode it is in."""
        state = self._state
        at_the_end = _rules(self.folder, date.max, state)[0]
        if not at_the_end.expired and not at_the_end.exceptions:  # then the rules are the same on every day
            return at_the_end
        turns = [at for one in at_the_end.expired for at in (one.begins, one.expires + ONE_DAY)]
        return _rules(self.folder, max((at for at in turns if at <= day), default=date.min), state)[0]

    def unusable(self) -> tuple[str, ...]:
        """What of the folder cannot be used and is left out: rules, samples, exceptions, modes; each with its place."""
        problems = _rules(self.folder, date.max, self._state)[1]
        try:
            read_modes(self.folder / MODES_FILE)
        except RuleError as error:
            problems += tuple(str(error).splitlines())
        return problems

    def modes(self, day: date) -> dict[str, str]:
        """Rules that somebody put into another mode, and which, on the day; none if the file cannot be used."""
        try:
            return modes_on(read_modes(self.folder / MODES_FILE), day)
        except RuleError:  # rules in their own mode are what is safe; `unusable` tells
            return {}

    def prepared(self, day: date) -> Prepared:
        """The rules that run on the day, in their mode of that day, compiled."""
        rules = self.all_rules(day)
        return _prepared(self.folder, rules.as_of, self._state, tuple(sorted(self.modes(day).items())))

    @cached_property
    def _state(self) -> FolderState:
        """Name, size and time of every file that rules are made of, looked at once: one run, one set of rules."""
        files = sorted(
            path for part in ("sigma", "exceptions") for path in (self.folder / part).rglob("*") if path.is_file()
        )
        return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)

    def rules_digest(self, day: date) -> str:
        """Changes when what the rules of the day would find could."""
        rules = [(rule.rule_id, rule.digest, rule.meta.mode) for rule in self.all_rules(day).rules]
        return f"{rules} {sorted(self.modes(day).items())}"


def _told(damaged: SetAside, missing: Sequence[FileContent]) -> str:
    said = f"{damaged.part.with_suffix('.parquet')} was damaged and is now {damaged.part.name}. "
    count, day = len(damaged.files), damaged.day
    if damaged.is_known and not missing:
        return (
            f"{said}The {count:,} files that it was made of were taken again with the content they had, "
            "nothing is lost; delete it."
        )
    names = "; ".join(f"{file.source}: {file.key}, sha256 {file.sha256[:_OF_HASH]}…" for file in missing[:_NAMED])
    names += f"; and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
    out = f"{len(missing):,} are gone, cannot be read or hold something else now ({names})"
    if damaged.is_known:
        said += f"Of the {count:,} files that it was made of {out}: what they gave to {day} may be missing. "
    else:
        sources = " and ".join(sorted({file.source for file in damaged.files}))
        said += (
            "Of which files it was made is not noted: it is older than such notes, or than the register. Known of "
            f"{day} are {count:,} files{f' of the source {sources}' if sources else ''}, "
            f"{f'of which {out}' if missing else 'and they were taken again'}; what other files gave to it, rewritten "
            "or removed since, may be missing. "
        )
    return (
        f"{said}Keep {damaged.part.name}. Look for the old deliveries among the versions that the bucket keeps or in a "
        "backup (sha256sum tells which they are), put each under a name of its own where its source delivers, and run "
        f"the day again: intelsec run --day {day}. Or bring the part back from a backup under its old name."
    )


@lru_cache(maxsize=8)
def _rules(folder: Path, as_of: date, _state: FolderState) -> tuple[RuleSet, tuple[str, ...]]:
    """The rules with the exceptions of the day `as_of`, the first of days in a row on which just these apply.

    One that cannot be used blinds no other: it is left out, and why is told beside the rules.
    """
    from intelsec_assets.detections.sigma.rules import load_rules
    from intelsec_assets.detections.sigma.rules_reading import RulesRefused

    left_out: set[str] = set()
    problems: list[str] = []
    while True:
        try:
            rules = load_rules(folder / "sigma", exceptions=folder / "exceptions", as_of=as_of, without=left_out)
        except RulesRefused as refused:
            named = {problem.rule for problem in refused.problems} - left_out
            if not named:
                raise
            left_out |= named
            problems += map(str, refused.problems)
        else:
            return rules, tuple(problems)


@lru_cache(maxsize=8)
def _prepared(folder: Path, as_of: date, state: FolderState, modes: tuple[tuple[str, str], ...]) -> Prepared:
    from intelsec_assets.detections.sigma.scan.firing import prepare

    return prepare(with_modes(_rules(folder, as_of, state)[0], dict(modes)))
