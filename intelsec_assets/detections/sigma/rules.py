"""A set of Sigma rules as values: loaded from the content folder, or from any files, with samples and exceptions.

Reading a file is `rules_reading`, exceptions are `rules_exceptions`, running rules is `scan`.
"""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from intelsec_assets.detections.errors import UnknownRule
from intelsec_assets.detections.sigma.rules_exceptions import RuleException, exception_problems, read_exceptions
from intelsec_assets.detections.sigma.rules_names import Named, own_names
from intelsec_assets.detections.sigma.rules_reading import (
    META,
    RuleDocument,
    RuleFile,
    RuleProblem,
    RulesRefused,
    meta_problems,
    read_rule_file,
)
from intelsec_assets.detections.sigma.samples import (
    LEAST,
    NEGATIVE,
    POSITIVE,
    Sample,
    SampleProblem,
    read_sample,
    sample_files,
)

__all__ = ["Rule", "RuleMeta", "RuleProblem", "RuleSet", "RulesRefused", "load_any", "load_rules", "logsource_of"]

_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MAX_RULES = 20_000  # SigmaHQ has 3,777


@dataclass(frozen=True)
class RuleMeta:
    """What a rule says about itself under `intelsec`: why it is there, what to do, what it may cost."""

    goal: str = ""
    triage: tuple[str, ...] = ()
    data_needed: tuple[str, ...] = ()
    blind_spots: str = ""
    runbook: str | None = None  # path from the root of the repository
    entity: str | None = None  # field that says who or what a finding is about
    dedup: tuple[str, ...] = ()  # fields whose values make findings of a rule one alert
    suppression: timedelta = timedelta(0)
    noise_budget: float | None = None  # alerts a day
    mode: str = "live"  # live | test
    evidence: tuple[str, ...] = ()  # fields shown besides those the rule looks at


@dataclass(frozen=True)
class Rule:
    """A rule that can fire: one event rule, or a correlation together with the rules it counts."""

    rule_id: str
    name: str  # its folder; of a file from elsewhere the file's name, with more of it where that is not enough
    title: str
    level: str
    path: Path
    description: str
    tags: tuple[str, ...]
    attack: tuple[str, ...]  # techniques as T1098.001, tactics as persistence
    logsource: Mapping[str, str]
    references: tuple[str, ...]
    falsepositives: tuple[str, ...]
    is_correlation: bool
    referenced: tuple[str, ...]  # ids of the rules a correlation counts, also through other correlations
    window: timedelta | None  # of a correlation, the longest there is in it
    meta: RuleMeta
    digest: str  # sha256 over the rule's text and the exceptions that apply
    text: str
    documents: tuple[Mapping[str, Any], ...] = field(repr=False, default=())
    samples: tuple[Sample, ...] = field(repr=False, default=())

    @property
    def rule_ids(self) -> tuple[str, ...]:
        """Its own id and those of the rules it counts."""
        return (self.rule_id, *self.referenced)


@dataclass(frozen=True)
class RuleSet:
    """Rules that belong together, with the exceptions as of a day."""

    rules: tuple[Rule, ...]
    exceptions: tuple[RuleException, ...] = ()  # those that apply; expired ones are in `expired`
    expired: tuple[RuleException, ...] = ()
    as_of: date | None = None
    root: Path | None = None  # what `runbook` is relative to

    @property
    def collection(self) -> SigmaCollection:
        """The rules for a pySigma backend, exceptions applied; made anew: backends change what they convert."""
        once = {str(document.get("id")): document for rule in self.rules for document in rule.documents}
        collection = SigmaCollection.from_dicts([copy.deepcopy(dict(document)) for document in once.values()])
        collection.apply_filters([exception.filter() for exception in self.exceptions])
        return collection

    def rule(self, name: str) -> Rule:
        """The rule of a name or an id; UnknownRule if there is none."""
        for rule in self.rules:
            if name in {rule.name, rule.rule_id}:
                return rule
        names = [rule.name for rule in self.rules]
        near = get_close_matches(name, names, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UnknownRule(f"there is no rule {name!r}; {meant}there are: {', '.join(names[:40])}")

    def only(self, names: Iterable[str]) -> RuleSet:
        """The same set with some of its rules, by name or id."""
        wanted = {self.rule(name).rule_id for name in names}
        return replace(self, rules=tuple(rule for rule in self.rules if rule.rule_id in wanted))


def load_rules(
    folder: Path,
    *,
    with_samples: bool = True,
    exceptions: Path | None = None,
    as_of: date | None = None,
    without: Collection[str] = (),
) -> RuleSet:
    """The rules of a content folder: `<rule>/rule.yml` with samples beside it, exceptions in `../exceptions`.

    `without` are folders of rules and names of exceptions that are left out, as if they were not there. `as_of` is the
    day whose exceptions apply; without it none do. `with_samples=False` reads none and asks for none.
    RulesRefused lists every problem with file and line.
    """
    problems: list[RuleProblem] = []
    if not folder.is_dir():
        raise RulesRefused([RuleProblem(folder, 1, folder.name, "there is no such folder of rules")])
    files: list[RuleFile] = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))):
        if place.name in without:
            continue
        if not (place / "rule.yml").is_file():
            problems.append(RuleProblem(place, 1, place.name, "holds no rule.yml"))
            continue
        files.append(read_rule_file(place / "rule.yml", place.name))
    rules, wrong = _assemble(files, demanding=True)
    problems += wrong
    if with_samples:
        rules, wrong = _with_samples(rules)
        problems += wrong
    place = folder.parent / "exceptions" if exceptions is None else exceptions
    return _set(rules, files, problems, read_exceptions(place, without), as_of, folder.resolve().parent.parent)


def load_any(paths: Sequence[Path]) -> RuleSet:
    """Sigma rules from anywhere: files, or folders with `*.yml` and `*.yaml` below; no samples, `intelsec` not needed.

    A correlation may name rules of other files of the set. Each rule is called by its file, where several would be
    called the same by its title or id too (`rules_names`); one without an id gets one. RulesRefused lists every
    problem with file and line.
    """
    problems: list[RuleProblem] = []
    files: list[RuleFile] = []
    for path in paths:
        if not path.exists():
            problems.append(RuleProblem(path, 1, path.name, "there is no such file or folder"))
        for found in sorted([*path.rglob("*.yml"), *path.rglob("*.yaml")]) if path.is_dir() else [path]:
            if path.exists() and len(files) < MAX_RULES:
                label = found.absolute().parent.name if found.stem == "rule" else found.stem
                files.append(read_rule_file(found, label, derives_ids=True))
    rules, wrong = _assemble(files, demanding=False)
    names = own_names([Named(rule.name, rule.title, rule.rule_id) for rule in rules])
    rules = [replace(rule, name=name) for rule, name in zip(rules, names, strict=True)]
    return _set(rules, files, problems + wrong, ([], []), None, None)


def _set(
    rules: list[Rule],
    files: list[RuleFile],
    problems: list[RuleProblem],
    read: tuple[list[RuleException], list[RuleProblem]],
    as_of: date | None,
    root: Path | None,
) -> RuleSet:
    found, wrong = read
    by_name = {name: document for file in files for document in file.documents for name in document.names}
    problems += wrong
    problems += [problem for exception in found for problem in exception_problems(exception, by_name)]
    if problems:
        raise RulesRefused(problems)
    applied = tuple(e for e in found if as_of is not None and e.applies_on(as_of))
    expired = tuple(e for e in found if as_of is not None and e.expires < as_of)
    result = RuleSet(
        tuple(replace(rule, digest=_digest(rule, applied)) for rule in rules), applied, expired, as_of, root
    )
    try:
        _ = result.collection
    except (SigmaError, RecursionError) as error:
        where = files[0].path.parent if files else Path()
        raise RulesRefused([RuleProblem(where, 1, "rules", f"cannot be used together: {error}")]) from error
    return result


def _assemble(files: Sequence[RuleFile], *, demanding: bool) -> tuple[list[Rule], list[RuleProblem]]:
    """Rules of files, and problems: of the files, and of ids and names used twice or by nobody."""
    problems = [problem for file in files for problem in file.problems]
    problems += _repeated(files)
    everywhere = {n: (file, d) for file in files for d in file.documents for n in d.names}
    rules: list[Rule] = []
    counted: set[str] = set()  # rules that a correlation counts: they fire only through it
    for file in files:
        reach = {n: d for d in file.documents for n in d.names}
        known = reach if demanding else {name: document for name, (_, document) in everywhere.items()}
        for document in file.documents:
            for reference in document.references:
                if reference in known:
                    counted.add(known[reference].rule_id)
                    continue
                where = "in this file" if demanding else "among the rules given"
                text = f"the correlation counts {reference!r}, and there is no rule of that id or name {where}"
                file.problem(document.located.line(("correlation", "rules")), text)
                problems.append(file.problems[-1])
    if problems:
        return [], problems
    for file in files:
        heads = [document for document in file.documents if _fires(document, counted, file)]
        if demanding and len(heads) != 1:
            text = f"holds {len(heads)} rules that can fire; one a folder, with the rules it counts before it"
            problems.append(RuleProblem(file.path, 1, file.label, text))
            continue
        for document in heads:
            members = _members(document, {name: d for name, (_, d) in everywhere.items()})
            wrong = _head_problems(file, document, demanding=demanding)
            problems += wrong
            if not wrong:
                rules.append(_rule(file, document, members))
    return rules, problems


def _fires(document: RuleDocument, counted: set[str], file: RuleFile) -> bool:
    """Whether a document is a rule of its own: nobody counts it, or a correlation of its file says `generate`."""
    if document.rule_id not in counted:
        return True
    return any(
        isinstance(other.parsed, SigmaCorrelationRule)
        and other.parsed.generate
        and set(other.references) & set(document.names)
        for other in file.documents
    )


def _members(document: RuleDocument, known: Mapping[str, RuleDocument]) -> list[RuleDocument]:
    """The rules a correlation counts, counted ones first, each once; circles end."""
    ordered: dict[str, RuleDocument] = {}

    def walk(inner: RuleDocument, trail: tuple[str, ...]) -> None:
        for reference in inner.references:
            member = known[reference]
            if member.rule_id not in trail and member.rule_id not in ordered:
                walk(member, (*trail, member.rule_id))
                ordered[member.rule_id] = member

    walk(document, (document.rule_id,))
    return list(ordered.values())


def _head_problems(file: RuleFile, document: RuleDocument, *, demanding: bool) -> list[RuleProblem]:
    wrong = []
    if demanding or META in document.values:
        wrong = [RuleProblem(file.path, line, file.label, text) for line, text in meta_problems(document)]
    if demanding and document.parsed is not None and document.parsed.level is None:
        text = "has no `level`: informational, low, medium, high or critical"
        wrong.append(RuleProblem(file.path, document.located.first_line, file.label, text))
    return wrong


def _repeated(files: Sequence[RuleFile]) -> list[RuleProblem]:
    """Ids and names that stand twice."""
    problems = []
    places = [(name, key, file, d) for file in files for d in file.documents for key, name in _named(d)]
    often = Counter((key, name) for name, key, _, _ in places)
    for name, key, file, document in places:
        if often[key, name] > 1:
            others = sorted({str(other.path) for n, k, other, _ in places if (n, k) == (name, key)} - {str(file.path)})
            where = f"also in {others[0]}" if others else "twice in this file"
            text = f"the {key} {name!r} is used {where}; each rule has its own"
            if key == "id" and document.is_id_derived:
                text = f"has no `id`, and its file's name and title are {where}; give it a random UUID (version 4)"
            problems.append(RuleProblem(file.path, document.located.line((key,)), file.label, text))
    return problems


def _named(document: RuleDocument) -> list[tuple[str, str]]:
    pairs = [("id", document.rule_id), ("name", str(document.values.get("name") or ""))]
    return [(key, value) for key, value in pairs if value]


def _rule(file: RuleFile, document: RuleDocument, members: list[RuleDocument]) -> Rule:
    parsed = document.parsed
    assert parsed is not None
    bases = [d.parsed for d in (members or [document]) if isinstance(d.parsed, SigmaRule)]
    windows = [d.parsed.timespan.seconds for d in (*members, document) if isinstance(d.parsed, SigmaCorrelationRule)]
    tags = tuple(str(tag) for tag in parsed.tags)
    correlates = isinstance(parsed, SigmaCorrelationRule)
    return Rule(
        rule_id=str(parsed.id),
        name=file.label,
        title=parsed.title,
        level=parsed.level.name.lower() if parsed.level else "medium",
        path=file.path,
        description=parsed.description or "",
        tags=tags,
        attack=tuple(_attack(tag) for tag in tags if tag.startswith("attack.")),
        logsource=logsource_of(bases[0]) if bases else {},
        references=tuple(map(str, parsed.references)),
        falsepositives=tuple(map(str, parsed.falsepositives)),
        is_correlation=correlates,
        referenced=tuple(member.rule_id for member in members),
        window=timedelta(seconds=max(windows)) if windows else None,
        meta=_meta(document.values.get(META), parsed),
        digest="",
        text=file.text,
        documents=tuple(d.values for d in (*members, document)),
    )


def logsource_of(rule: SigmaRule) -> dict[str, str]:
    """Product, service and category of an event rule, those it names."""
    source = rule.logsource
    named = {"product": source.product, "service": source.service, "category": source.category}
    return {key: value for key, value in named.items() if value}


def _attack(tag: str) -> str:
    """`attack.t1098.001` -> T1098.001, `attack.privilege-escalation` -> privilege-escalation."""
    name = tag.removeprefix("attack.")
    return name.upper() if name[:1] in "tgs" and name[1:2].isdigit() else name


def _meta(values: Any, parsed: SigmaRule | SigmaCorrelationRule) -> RuleMeta:
    if not isinstance(values, dict):  # a rule from elsewhere: what it groups by is who it is about
        groups = tuple(parsed.group_by or ()) if isinstance(parsed, SigmaCorrelationRule) else ()
        return RuleMeta(dedup=groups, entity=groups[0] if groups else None)
    span = str(values["suppression"])
    return RuleMeta(
        goal=values["goal"].strip(),
        triage=tuple(values["triage"]),
        data_needed=tuple(values["data_needed"]),
        blind_spots=values["blind_spots"].strip(),
        runbook=values["runbook"],
        entity=values["entity"],
        dedup=tuple(values["dedup"]),
        suppression=timedelta(seconds=int(span[:-1]) * _SPANS[span[-1]]),
        noise_budget=float(values["noise_budget"]),
        mode=values["mode"],
        evidence=tuple(values.get("evidence", ())),
    )


def _digest(rule: Rule, exceptions: Iterable[RuleException]) -> str:
    names = {str(name) for d in rule.documents for name in (d.get("id"), d.get("name")) if name}
    texts = [rule.text, *sorted(exception.text for exception in exceptions if names & set(exception.rules))]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _with_samples(rules: list[Rule]) -> tuple[list[Rule], list[RuleProblem]]:
    problems: list[RuleProblem] = []
    complete = []
    for rule in rules:
        samples: list[Sample] = []
        for kind in (POSITIVE, NEGATIVE):
            paths = sample_files(rule.path.parent, kind)
            if len(paths) < LEAST[kind]:
                text = f"has {len(paths)} {kind} samples in {kind}/*.json; at least {LEAST[kind]} are needed"
                problems.append(RuleProblem(rule.path, 1, rule.name, text))
            for path in paths:
                try:
                    samples.append(read_sample(path, kind))
                except (SampleProblem, OSError) as error:
                    problems.append(RuleProblem(path, 1, rule.name, f"the sample {error}"))
        complete.append(replace(rule, samples=tuple(samples)))
    return complete, problems
