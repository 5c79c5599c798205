-- Names: whole values, and host names with every name above them; columns as in warninglist_network_matches.sql.
with hosts as (
    select
        indicator_id,
        indicator_type,
        indicator_type <> 'domain' as of_host,
        rtrim(lower(if(indicator_type = 'domain', value, host)), '.') as name
    from warninglist_indicators
    where indicator_type = 'domain' or (indicator_type in ('url', 'email') and host is not null)
),
labels as (
    select name, string_split(name, '.') as parts from (select distinct name from hosts)
),
above as (
    select name, unnest([array_to_string(parts[i:], '.') for i in range(1, len(parts) + 1)]) as ancestor
    from labels
),
-- one join a reach: joined together, every name below `com` would meet every entry `com` before its reach is looked at
named as (
    select l.name, n.list_no, -length(n.key) as distance, n.entry
    from labels as l
    join warninglist_names as n on n.key = l.name
    where n.reach = 'value'
    union all
    select a.name, n.list_no, -length(n.key) as distance, n.entry
    from above as a
    join warninglist_names as n on n.key = a.ancestor
    where n.reach = 'below'
    union all
    select l.name, n.list_no, -length(n.key) as distance, n.entry
    from labels as l
    join warninglist_names as n on n.key = array_to_string(l.parts[2:], '.')
    where n.reach = 'child'
),
kept as (
    select named.*
    from named
    anti join (select list_no, key from warninglist_names where reach = 'except') as e
      on e.list_no = named.list_no and e.key = named.name
)
select h.indicator_id, h.indicator_type, k.list_no, h.of_host, k.distance, k.entry
from hosts as h
join kept as k using (name)
union all
select i.indicator_id, i.indicator_type, n.list_no, false as of_host, -length(n.key) as distance, n.entry
from warninglist_indicators as i
join warninglist_names as n on n.key = lower(i.value)
where n.reach = 'value' and i.indicator_type <> 'domain'
