-- Substrings of the whole value, found by a shared piece of four characters; columns as in warninglist_network_matches.sql.
with texts as (
    select i.indicator_id, i.indicator_type, lower(i.value) as text
    from warninglist_indicators as i
    where i.indicator_type in (
        select indicator_type from warninglist_scopes semi join warninglist_substrings using (list_no)
    )
),
-- A place a row, the piece cut out where it is joined: as lists of pieces the same takes seven times as long.
places as (
    select *, unnest(range(1, length(text) - 2)) as place from texts
),
candidates as (
    select p.indicator_id, p.indicator_type, s.list_no, s.entry, s.key
    from places as p
    join warninglist_substrings as s on s.gram = substr(p.text, p.place, 4)
    where contains(p.text, s.key)
    union all
    select t.indicator_id, t.indicator_type, s.list_no, s.entry, s.key
    from texts as t
    join warninglist_substrings as s on s.gram is null and contains(t.text, s.key)
)
select indicator_id, indicator_type, list_no, false as of_host, -length(key) as distance, entry
from candidates
