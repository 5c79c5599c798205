"""The same feeds, the same tables by a plain pandas script, as somebody would write it for just these files.

    python -m benchmarks.feeds_pandas [--quick] [--only-scores] [--tables FOLDER]

Canonical form, copies, public suffixes, identifiers and decisions are the project's own functions, called once a
distinct value: what is compared is the work around them. With --only-scores it leaves out provenance, quarantine,
labels, identifiers, hosts and reasons.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.children import answer, arguments, watched
from benchmarks.recorded_feeds import Recordings, Source, data_root, recordings
from intelsec_assets.feeds.formats.misp_vocabulary import ATTRIBUTE_TYPES, COMPOSITE_TYPES
from intelsec_assets.feeds.local import expand
from intelsec_assets.indicators import copies, scoring
from intelsec_assets.indicators.canonical import canonical
from intelsec_assets.indicators.identity import indicator_id
from intelsec_assets.indicators.models import load_model
from intelsec_assets.indicators.state import host_type, registered_domain

KEY = ["indicator_type", "value"]
LABELS = {"campaign": "campaigns", "malware_family": "families", "threat_type": "threat_types", "tags": "tags"}
_PATTERN = re.compile(r"\[([a-z0-9-]+):(?:value|hashes\.'?([A-Za-z0-9-]+)'?) = '([^']*)'\]")
_STIX_TYPES = {"domain-name": "domain", "url": "url", "email-addr": "email"}
_ROW = ["line", "raw_value", "type", "first_seen", "last_seen", "tags", "campaign", "reject"]

Row = tuple[Any, ...]


@dataclass
class Answer:
    """The tables; with --only-scores only the last one, with fewer columns."""

    rows: int
    observations: pd.DataFrame
    rejected: pd.DataFrame
    indicators: pd.DataFrame
    scores: pd.DataFrame


def read_source(source: Source, root: Path, *, only_scores: bool) -> Iterator[pd.DataFrame]:
    """Rows of each file of a feed's day."""
    feed, pattern = source.feed, expand(source.feed.local or "", source.day)
    folder = root / (pattern if feed.format.startswith("misp") else pattern.split("*")[0].rpartition("/")[0])
    names = [f"{uuid}.json" for uuid in events_of(folder, source)] if feed.format == "misp_feed" else None
    if feed.format == "misp_event":
        pattern += "/*.json"
    for path in [folder / name for name in names] if names is not None else sorted(root.glob(pattern)):
        content = path.read_bytes()
        part = read_file(source, path, content.decode())
        part["feed"] = feed.name
        if only_scores:
            yield part
            continue
        for column in ("campaign", "threat_type", "malware_family"):
            if column not in part:
                part[column] = getattr(feed, column)
        if feed.format == "families":
            part["malware_family"], part["threat_type"] = path.stem, path.parent.name
        day = f"{source.day}/" if source.dated else ""
        part["file"] = day + str(path.relative_to(folder))
        part["snapshot_sha256"] = hashlib.sha256(content).hexdigest()
        yield part


def read_file(source: Source, path: Path, text: str) -> pd.DataFrame:
    """Rows of a file by its format."""
    feed = source.feed
    if feed.format == "csv":
        table = pd.read_csv(path, header=None, dtype=str, names=range(6))
        seen = table[feed.options["columns"]["first_seen"]]
        return pd.DataFrame(
            {
                "line": table.index + 1,
                "raw_value": table[3],
                "type": table[2].replace(feed.options["type_map"]),
                "first_seen": seen,
                "last_seen": seen,
                "tags": [labels(tags.split(" ")) for tags in table[4].fillna("")],
            }
        )
    if feed.format in ("plain", "families", "tsv"):
        lines = pd.Series(text.split("\n"), dtype="str").str.strip()
        lines = lines[(lines != "") & ~lines.str.startswith("#")]
        if feed.format == "families":
            lines = lines.str.replace(r"\s+#.*$", "", regex=True)
        if feed.format == "tsv":
            lines = lines.str.split("\t").str[0]
        return pd.DataFrame({"line": lines.index + 1, "raw_value": lines})
    document = json.loads(text)
    if feed.format == "taxii":
        return frame(stix_rows(document))
    event = document.get("response", [document])[0].get("Event", document)
    return frame(misp_rows(event, to_ids=feed.options["to_ids_only"]))


def events_of(folder: Path, source: Source) -> list[str]:
    """Events of the day in a MISP feed."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return [uuid for uuid, entry in manifest.items() if entry["date"] == str(source.day)]


def misp_rows(event: dict[str, Any], *, to_ids: bool) -> list[Row]:
    """Attributes of an event and its objects; a part of a composite each."""
    attributes = event.get("Attribute", []) + [a for o in event.get("Object", []) for a in o["Attribute"]]
    campaign = None if re.search(r"\d{4}[-/.]?\d{2}[-/.]?\d{2}", event["info"]) else " ".join(event["info"].split())
    rows: list[Row] = []
    for attribute in attributes:
        kind, value = attribute["type"], attribute["value"]
        edited = pd.Timestamp(int(attribute["timestamp"]), unit="s").isoformat()
        first, last = attribute.get("first_seen") or edited, attribute.get("last_seen") or edited
        tags = labels([tag["name"] for tag in attribute.get("Tag", []) + event.get("Tag", [])])
        reject: str | None = None
        parts: list[tuple[str | None, str]] = [(None, value)]
        if attribute.get("deleted"):
            reject = "deleted"
        elif kind in ATTRIBUTE_TYPES:
            parts = [(ATTRIBUTE_TYPES[kind], value)]
        elif kind in COMPOSITE_TYPES:
            parts = [pair for pair in zip(COMPOSITE_TYPES[kind], value.split("|"), strict=True) if pair[0]]
        else:
            reject = f"unsupported_type:{kind}"
        if not reject and to_ids and not attribute["to_ids"]:
            reject, parts = "not_for_detection", [(None, value)]
        for declared, part in parts:
            type_ = address_type(part) if declared == "address" else declared
            rows.append((len(rows) + 1, part, type_, first, last, tags, campaign, reject))
    return rows


def stix_rows(objects: list[dict[str, Any]]) -> list[Row]:
    """Indicators with one value in their pattern."""
    rows: list[Row] = []
    for entry in objects:
        match = _PATTERN.fullmatch(entry["pattern"]) if entry["type"] == "indicator" else None
        if match:
            kind, digest, value = match.groups()
            declared = digest.lower().replace("-", "") if digest else _STIX_TYPES.get(kind) or address_type(value)
            last = max(entry["valid_from"], entry["modified"])
            tags = labels(entry.get("labels", []))
            rows.append((len(rows) + 1, value, declared, entry["valid_from"], last, tags, None, None))
    return rows


def labels(words: list[str]) -> list[str]:
    """Labels in one spelling."""
    clean = {word.lower().lstrip("#").strip() for word in words}
    return sorted(word for word in clean if word and not word.startswith("tlp:"))


def address_type(value: str) -> str:
    """What kind of address it is."""
    return "cidr" if "/" in value else "ipv6" if value.count(":") > 1 else "ipv4"


def frame(rows: list[Row]) -> pd.DataFrame:
    """Rows as a table."""
    return pd.DataFrame(rows, columns=_ROW)


def tables(recorded: Recordings, *, only_scores: bool = False) -> Answer:
    """Read, canonicalise, deduplicate and score everything."""
    rows = pd.concat(
        [part for source in recorded.sources for part in read_source(source, recorded.root, only_scores=only_scores)],
        ignore_index=True,
    )
    start = pd.Timestamp(recorded.day, tz="UTC")
    as_of = start + pd.Timedelta(days=1)
    total = len(rows)
    if only_scores:
        rows = rows[["feed", "raw_value", "type", "last_seen", "reject"]]
    seen = with_canonical_form(rows, recorded)
    rejected = seen.loc[seen["reason"].notna()]
    observations = seen.loc[seen["reason"].isna()]
    for column, missing in (("first_seen", start), ("last_seen", as_of)):
        if column in observations:
            told = pd.to_datetime(observations[column], utc=True, format="ISO8601")
            observations = observations.assign(**{column: told.fillna(missing).clip(upper=as_of)})
    indicators = merge(observations, recorded, only_scores=only_scores)
    return Answer(
        total, observations, rejected, indicators, score(indicators, recorded, as_of, only_scores=only_scores)
    )


def with_canonical_form(rows: pd.DataFrame, recorded: Recordings) -> pd.DataFrame:
    """Each row with type, value, host, rules, and the reason why it cannot be used."""
    distinct = rows.loc[rows["reject"].isna(), ["raw_value", "type"]].drop_duplicates()
    declared = distinct["type"].astype(object).where(distinct["type"].notna(), None)
    forms = [canonical(raw, kind) for raw, kind in zip(distinct["raw_value"], declared, strict=True)]
    for name in ("indicator_type", "value", "host", "error"):
        distinct[name] = [getattr(form, name) for form in forms]
    distinct["canon_rules"] = [list(form.rules) for form in forms]
    seen = rows.merge(distinct, how="left", on=["raw_value", "type"])
    allowed = {(feed.name, kind) for feed in recorded.catalogue.enabled_feeds for kind in feed.types}
    kinds = seen[["feed", "indicator_type"]].drop_duplicates()
    kinds["expected"] = [pair in allowed for pair in kinds.itertuples(index=False, name=None)]
    seen = seen.merge(kinds, on=["feed", "indicator_type"])
    unexpected = pd.Series(np.where(seen["expected"], None, "unexpected_type"), index=seen.index)
    seen["reason"] = seen["reject"].fillna(seen["error"]).fillna(unexpected)
    return seen


def merge(observations: pd.DataFrame, recorded: Recordings, *, only_scores: bool) -> pd.DataFrame:
    """One row a (type, value)."""
    by_indicator = observations.groupby(KEY, sort=False)
    if only_scores:
        merged = by_indicator.agg(last_seen=("last_seen", "max"), observations=("feed", "size"))
        pairs = observations[[*KEY, "feed"]].drop_duplicates().sort_values("feed")
        merged["sources"] = pairs.groupby(KEY, sort=False)["feed"].agg(tuple)
        return merged.reset_index()
    merged = by_indicator.agg(
        first_seen=("first_seen", "min"),
        last_seen=("last_seen", "max"),
        observations=("feed", "size"),
        host=("host", "first"),
    )
    records = observations.groupby([*KEY, "feed"]).agg(last_seen=("last_seen", "max"), observations=("line", "size"))
    records = records.reset_index().sort_values("feed")
    records["record"] = records[["feed", "last_seen", "observations"]].to_dict("records")
    by_feed = records.groupby(KEY, sort=False)
    merged["sources"] = by_feed["feed"].agg(tuple)
    merged["source_records"] = by_feed["record"].agg(list)
    for column, plural in LABELS.items():
        named = observations[[*KEY, column]].explode(column).dropna().drop_duplicates().sort_values(column)
        merged[plural] = named.groupby(KEY, sort=False)[column].agg(list)
        merged[plural] = [found if isinstance(found, list) else [] for found in merged[plural]]
    merged["first_listed"] = merged["last_listed"] = recorded.day
    merged = merged.reset_index()
    domains = {host: registered_domain(host) for host in merged["host"].dropna().unique()}
    merged["registered_domain"] = merged["host"].map(domains)
    merged["indicator_id"] = [str(indicator_id(*pair)) for pair in zip(*(merged[name] for name in KEY), strict=True)]
    merged["parent_ids"] = [
        parents(kind, host if isinstance(host, str) else None, domains)
        for kind, host in zip(merged["indicator_type"], merged["host"], strict=True)
    ]
    return merged


def parents(kind: str, host: str | None, domains: dict[str, str | None]) -> list[str]:
    """Identifiers of the host and its registered domain."""
    if host is None:
        return []
    found = [] if kind == "domain" else [str(indicator_id(host_type(host), host))]
    domain = domains[host]
    return found if domain in (None, host) else [*found, str(indicator_id("domain", domain))]


def score(merged: pd.DataFrame, recorded: Recordings, as_of: pd.Timestamp, *, only_scores: bool) -> pd.DataFrame:
    """The score formula on columns, then the decision row by row."""
    model, export = load_model(recorded.catalogue.scoring_model), recorded.catalogue.export
    trust = {feed.name: feed.trust_weight for feed in recorded.catalogue.feeds}
    sets = merged["sources"].value_counts().to_dict()
    independent = copies.independent_counts(sets, copies.copy_pairs(copies.measure(sets)))
    merged["independent_sources"] = merged["sources"].map(independent)
    age = (as_of - merged["last_seen"]) / pd.Timedelta(days=1)
    prior_true, prior_false = model.hit_rate_prior
    scores = merged[KEY].copy() if only_scores else merged[["indicator_id", *KEY]].copy()
    weights = model.weights
    points = {
        "source_trust": weights.source_trust
        * merged["sources"].map(lambda sources: max(trust[feed] for feed in sources)),
        "recency": weights.recency * 0.5 ** (age / merged["indicator_type"].map(model.half_life)),
        "hit_rate": weights.hit_rate * prior_true / (prior_true + prior_false),
        "cooccurrence": weights.cooccurrence * (1 - 0.5 ** (merged["independent_sources"] - 1)),
    }
    scores["score"] = np.clip(sum(points.values()), 0, 1)
    if only_scores:
        return scores
    scores = scores.assign(**points)
    decided = [
        scoring.decide(model, export, score=points, indicator_type=kind, tlp="clear", hit=None, value=text)
        for points, kind, text in zip(scores["score"], scores["indicator_type"], scores["value"], strict=True)
    ]
    scores["decision"] = [decision.decision for decision in decided]
    scores["reason"] = [decision.reason for decision in decided]
    return scores


def write_tables(made: Answer, folder: Path, *, only_scores: bool = False) -> None:
    """The tables as Parquet files."""
    for name in ("scores",) if only_scores else ("observations", "rejected", "indicators", "scores"):
        getattr(made, name).to_parquet(folder / f"{name}.parquet", index=False)


def main() -> None:
    """Measure once, and write the tables to files if asked to."""
    wanted = arguments(__doc__)
    recorded = recordings(data_root(), quick=wanted.quick)
    with watched() as cost:
        made = tables(recorded, only_scores=wanted.only_scores)
    if wanted.tables:
        write_tables(made, wanted.tables, only_scores=wanted.only_scores)
    answer(rows=made.rows, indicators=len(made.scores), **cost, rows_per_second=made.rows / cost["seconds"])


if __name__ == "__main__":
    main()
