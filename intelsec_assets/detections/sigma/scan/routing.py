"""Which rules an event can match, told by service and operation alone, and the statement that asks only those.

A pass reads the events once and gives one row an event that some rule matches, with the rules as bits. How passes are
run and what their rows become is `matching` and `finding_rows`.
"""

# ruff: noqa: S608 - values stand in SQL as literals of the backend, names are quoted
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sigma.backends.duckdb import text

from intelsec_assets.detections.sigma.scan.firing import ROUTED, ROUTED_FIELDS, EventRule, column, folded, lowered
from intelsec_assets.detections.sigma.scan.layouts import Layout, Reads
from intelsec_assets.engine import sql_text

BITS = 60  # rules that one number of 64 bits holds, with room to shift
DENSE = 0.01  # share of the events: twenty of a vector, enough for conditions to be cheap on them
FLAT_BRANCHES = 8  # branches of a CASE are tried one by one; a tree of them is not

Fields = Mapping[str, str]  # SQL of routed fields, and of their lower case by their folded names
_COLUMNS: Fields = {
    **{name: column(name) for name in ROUTED_FIELDS},
    **{folded(name): lowered(column(name)) for name in ROUTED_FIELDS},
}

Pair = tuple[str | None, str | None]  # service and operation, as the events spell them


@dataclass(frozen=True)
class Bucket:
    """Events of one service and operation, and the rules they can match."""

    number: int
    pair: Pair
    rules: tuple[EventRule, ...]
    is_dense: bool = False  # so many events that its rules are asked while they are read


@dataclass(frozen=True)
class Pass:
    """Rules that are asked in one reading of the events of a provider."""

    provider: str
    reads: Reads
    buckets: tuple[Bucket, ...]
    open: tuple[EventRule, ...]  # asked of every event

    @property
    def rules(self) -> tuple[EventRule, ...]:
        """All rules of the pass, each once, in order."""
        found = {rule.number: rule for rule in (*(r for b in self.buckets for r in b.rules), *self.open)}
        return tuple(found[number] for number in sorted(found))

    @property
    def needs(self) -> tuple[str, ...]:
        """Fields that its rules read."""
        return tuple(sorted({name for rule in self.rules for name in rule.needs}))

    def without(self, rules: Iterable[EventRule]) -> Pass:
        """The pass without some rules."""
        gone = {rule.number for rule in rules}
        buckets = (replace(b, rules=tuple(rule for rule in b.rules if rule.number not in gone)) for b in self.buckets)
        kept = tuple(rule for rule in self.open if rule.number not in gone)
        return Pass(self.provider, self.reads, tuple(bucket for bucket in buckets if bucket.rules), kept)

    def only(self, rules: Iterable[EventRule]) -> Pass:
        """The pass with some rules only."""
        kept = {rule.number for rule in rules}
        return self.without([rule for rule in self.rules if rule.number not in kept])


def passes(provider: str, rules: Sequence[EventRule], pairs: Mapping[Pair, int] | None, layout: Layout) -> list[Pass]:
    """The passes for rules of one provider over events with so many of each service and operation (None: not known).

    Rules whose fields are columns are asked apart from those that need JSON, which costs most of a scan to read. Rules
    that name neither service nor operation are asked of every event.
    """
    found: list[Pass] = []
    for reads in Reads:
        chosen = [rule for rule in rules if _reads(rule, layout) is reads]
        routed: list[EventRule] = []
        open_: list[EventRule] = []
        for rule in chosen:
            (routed if pairs is not None and _is_routed(rule, provider) else open_).append(rule)
        named, unnamed = _by_operation(routed, provider)
        buckets: list[Bucket] = []
        many = sum((pairs or {}).values()) * DENSE
        for pair in sorted(pairs or (), key=lambda pair: (pair[0] or "", pair[1] or "", pair)):
            there = tuple(rule for rule in named.get(_folded(pair[1]), ()) if _can_match(rule, provider, pair))
            there += tuple(rule for rule in unnamed if _can_match(rule, provider, pair))
            if there:
                buckets.append(Bucket(len(buckets), pair, there, is_dense=(pairs or {})[pair] >= many))
        found += _waves(provider, buckets, open_, reads)
    return found


def _by_operation(
    rules: Sequence[EventRule], provider: str
) -> tuple[Mapping[str | None, Sequence[EventRule]], Sequence[EventRule]]:
    """Rules by each operation that they name, and those that name none."""
    named: dict[str | None, list[EventRule]] = {}
    unnamed = []
    for rule in rules:
        operations = rule.compiled.necessary.get(ROUTED[provider][1])
        if operations is None:
            unnamed.append(rule)
        for operation in operations or ():
            named.setdefault(operation, []).append(rule)
    return named, unnamed


def _folded(value: str | None) -> str | None:
    return None if value is None else text.fold(value)


def _waves(provider: str, buckets: Sequence[Bucket], open_: Sequence[EventRule], reads: Reads) -> Iterable[Pass]:
    most = max((len(bucket.rules) for bucket in buckets), default=0)
    for start in range(0, max(most, len(open_)), BITS):
        wave = (replace(b, rules=b.rules[start : start + BITS]) for b in buckets)
        there = tuple(bucket for bucket in wave if bucket.rules)
        yield Pass(provider, reads, there, tuple(open_[start : start + BITS]))


def _reads(rule: EventRule, layout: Layout) -> Reads:
    if rule.compiled.needs_event and layout.is_lake:
        return Reads.EVENT
    return max((layout.reads(name, rule.provider) for name in rule.needs), default=Reads.COLUMNS)


def _is_routed(rule: EventRule, provider: str) -> bool:
    return any(name in rule.compiled.necessary for name in ROUTED[provider])


def _can_match(rule: EventRule, provider: str, pair: Pair) -> bool:
    for name, value in zip(ROUTED[provider], pair, strict=True):
        wanted = rule.compiled.necessary.get(name)
        if wanted is not None and (value is None or text.fold(value) not in wanted):
            return False
    return True


def candidates(asked: Pass, layout: Layout, where: str) -> str:
    """SQL with one row an event that a rule of the pass can match, of the dense buckets those that one does match.

    `where` says what every event must be. Columns: event_id, event_time, bucket, opened (bits of the rules asked of
    every event, which match), facts of the layout, and a column a needed field.
    """
    service, operation = ROUTED[asked.provider]
    extracted, fields = layout.read(sorted({*asked.needs, service, operation}), asked.provider)
    where += f" and ({_possible(asked, layout)})"
    inner = f"select *{extracted} from {layout.relation} e where {where}"
    uses_context = any(map(layout.is_context, asked.needs))
    joined = layout.joined_context() if uses_context else ""
    columns = ", ".join(f"{sql} as {column(name)}" for name, sql in fields.items())
    keyword = ", e.event" if any(rule.compiled.needs_event for rule in asked.rules) else ""
    facts = layout.facts()
    told = ", ".join(f"{sql} as {name}" for name, sql in facts.items())
    laid_out = f"select e.event_id, e.event_time{keyword}, {told}, {columns} from ({inner}) e{joined}"
    # before the join: there columns of Parquet are dictionaries still, of which each entry is looked at once
    laid_out = f"select *, {_bits(asked.open, _COLUMNS)} as opened from ({laid_out})"
    shown = ", ".join(
        [
            *("e.event_id", "e.event_time", "r.bucket", "e.opened"),
            *(["e.event"] if keyword else []),
            *(f"e.{name}" for name in facts),
            *(f"e.{column(name)}" for name in asked.needs),
        ]
    )
    claims = ["e.opened <> 0"] if asked.open else []
    dense = [bucket for bucket in asked.buckets if bucket.is_dense]
    if dense:
        claims += [
            f"r.bucket not in ({', '.join(str(b.number) for b in dense)})",
            _case(dense, _any_of, asked.provider),
        ]
    elif asked.open:
        claims += ["r.bucket is not null"]
    kept = f"where {' or '.join(f'({claim})' for claim in claims)} " if claims else ""
    return (
        f"select {shown} from ({laid_out}) e {'left' if asked.open else 'inner'} join {_routes(asked)} r "
        f"on {_same(column(service), 'r.source')} and {_same(column(operation), 'r.name')} {kept}"
    )


def evaluation(asked: Pass) -> str:
    """SQL over candidates `r`: the bits of the rules of their bucket that match.

    Half of the price of many rules is that DuckDB reads their conditions, so they stand in it once.
    """
    routed = _case(asked.buckets, _bits, asked.provider) if asked.buckets else "0::ubigint"
    return f"coalesce({routed}, 0::ubigint)"


def _same(one: str, other: str) -> str:
    # a hash join takes equality; nothing there is a pair too
    return f"coalesce({one}, chr(0)) = coalesce({other}, chr(0))"


def _possible(asked: Pass, layout: Layout) -> str:
    """SQL over the relation's own columns of what an event must be for a rule of the pass to match: others stay unread.

    Buckets with few events are taken whole; of dense ones and for rules asked of every event the columns are asked.
    """
    # where only columns are read, asking them twice gains nothing
    of_json = asked.reads is not Reads.COLUMNS
    open_ = [rule.bound if of_json else None for rule in asked.open]
    dense = [b for b in asked.buckets if b.is_dense and of_json and all(rule.bound for rule in b.rules)]
    whole = [bucket for bucket in asked.buckets if bucket not in dense]
    if None in open_ or any(bucket.pair[1] is None for bucket in asked.buckets):
        return "true"
    operation = _routed(layout, asked.provider)[1]
    claims = [f"({bound})" for bound in open_]
    if whole:
        names = sorted({text.literal(bucket.pair[1] or "") for bucket in whole})
        claims.append(f"{operation} in ({', '.join(names)})")
    for bucket in dense:
        bound = " or ".join(f"({rule.bound})" for rule in bucket.rules)
        claims.append(f"({operation} = {text.literal(bucket.pair[1] or '')} and ({bound}))")
    return " or ".join(claims) or "false"


def _routed(layout: Layout, provider: str) -> tuple[str, str]:
    """SQL of service and operation."""
    service, operation = ROUTED[provider]
    read = layout.read([service, operation], provider)[1]
    return read[service], read[operation]


def _case(buckets: Sequence[Bucket], said: Callable[[Sequence[EventRule], Fields], str], provider: str) -> str:
    """CASE over the bucket's number, as a tree; what is said of a bucket's rules knows service and operation."""
    if len(buckets) <= FLAT_BRANCHES:
        branches = " ".join(f"when {b.number} then {said(b.rules, _known(b, provider))}" for b in buckets)
        return f"case r.bucket {branches} end"
    middle = len(buckets) // 2
    left, right = _case(buckets[:middle], said, provider), _case(buckets[middle:], said, provider)
    return f"case when r.bucket < {buckets[middle].number} then {left} else {right} end"


def _known(bucket: Bucket, provider: str) -> Fields:
    """SQL of the routed fields: service and operation themselves, so that DuckDB folds what is known of them."""
    told = {}
    for name, value in zip(ROUTED[provider], bucket.pair, strict=True):
        told[name] = "null::varchar" if value is None else f"{text.literal(value)}::varchar"
        told[folded(name)] = "null::varchar" if value is None else text.literal(text.fold(value))
    return {**_COLUMNS, **told}


def _any_of(rules: Sequence[EventRule], values: Fields) -> str:
    return " or ".join(f"({rule.asked_with(values)})" for rule in rules)


def _bits(rules: Sequence[EventRule], values: Fields) -> str:
    bits = (
        f"case when {rule.asked_with(values)} then {1 << place}::ubigint else 0::ubigint end"
        for place, rule in enumerate(rules)
    )
    return f"({' | '.join(bits)})" if rules else "0::ubigint"


def _routes(asked: Pass) -> str:
    """SQL of the relation that leads from service and operation to a bucket."""
    if not asked.buckets:
        return "(select null::varchar as source, null::varchar as name, null::integer as bucket where false)"
    rows = ", ".join(f"({_text_or_null(b.pair[0])}, {_text_or_null(b.pair[1])}, {b.number})" for b in asked.buckets)
    columns = "source::varchar as source, name::varchar as name, bucket"
    return f"(select {columns} from (values {rows}) t(source, name, bucket))"


def _text_or_null(value: str | None) -> str:
    return "null" if value is None else text.literal(value)


def bits(asked: Pass) -> list[tuple[int | None, int, int]]:
    """(bucket, or None for rules asked of every event; place of the bit; number of the rule)."""
    found: list[tuple[int | None, int, int]] = [
        (bucket.number, place, rule.number) for bucket in asked.buckets for place, rule in enumerate(bucket.rules)
    ]
    return found + [(None, place, rule.number) for place, rule in enumerate(asked.open)]


def pairs_statement(layout: Layout, provider: str, where: str, limit: int) -> str:
    """SQL of the services and operations of the events, with how many there are of each."""
    service, operation = _routed(layout, provider)
    return f"select {service}, {operation}, count(*) from {layout.relation} e where {where} group by 1, 2 limit {limit}"


def provider_filter(layout: Layout, provider: str) -> str:
    """What events of the provider are."""
    return f"provider = {sql_text(provider)}" if layout.has_provider else "true"
