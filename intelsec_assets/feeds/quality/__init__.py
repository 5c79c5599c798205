"""The contract of feeds, stated as expectations on each day's rows, and what follows when one is not kept.

Every rule is stated in one place:

- rows within min_rows and max_rows, no loss above max_shrink, not the same bytes for max_unchanged_days, few rejected:
  the entry's `contract`, judged by `feeds.status`; the feed is held;
- the snapshot is what its format says: the check `readable` of the feed's asset; the feed is held;
- what one row may say (types, instants, confidence, canonical form): `feeds.formats` and `indicators.observations`; the
  row is in quarantine;
- rows in = kept + rejected, observations are traceable, decisions are explained: `invariants.py` of each domain;
  exports are blocked;
- keys, relations and figures of the warehouse: dbt tests; nothing is published;
- columns and types of a feed's rows, ranges of its claims over the whole day, volume, freshness and mix against its own
  history, the columns of its source: here; a person is told.

Nothing here holds a feed or blocks an export: by the time it speaks the day is built, and holding is `feeds.status`'s.

`suites` says what is expected, `anomalies` what is usual, `schema_drift` which columns a source has; `batches`,
`history` and `source_shapes` read; `evaluation` asks Great Expectations, and it alone imports it, inside the function
that asks; `verdicts` are the answers, `report` puts everything that is wrong in the order of what it costs.
"""
