-- Substrings of the whole value, found by a shared piece of four characters; columns as in warninglist_network_matches.sql.
with texts as (
    select i.indicator_id, i.indicator_type, lower(i.value) as text
    from warninglist_indicators as i
    where i.indicator_type in (
        select indicator_type from warninglist_scopes semi join warninglist_substrings using (list_no)
    )
),
pieces as (
    select *, unnest(list_distinct([substr(text, i, 4) for i in range(1, length(text) - 2)])) as gram
    from texts
),
candidates as (
    select p.indicator_id, p.indicator_type, s.list_no, s.entry, s.key
    from pieces as p
    join warninglist_substrings as s using (gram)
    where contains(p.text, s.key)
    union all
    select t.indicator_id, t.indicator_type, s.list_no, s.entry, s.key
    from texts as t
    join warninglist_substrings as s on s.gram is null and contains(t.text, s.key)
)
select indicator_id, indicator_type, list_no, false as of_host, -length(key) as distance, entry
from candidates
