-- Networks: every address cut to each prefix length that any list has, then joined by equality.
-- indicator_id, indicator_type, list_no, of_host (the list speaks of the host only), distance (least counts), entry.
with lengths as (
    select masks.*
    from warninglist_masks as masks
    semi join warninglist_networks using (family, length)
),
covering as (
    select a.indicator_id, a.indicator_type, n.list_no, -n.length::integer as distance, n.entry
    from warninglist_addresses as a
    join lengths as l on l.family = a.family and l.length <= a.length
    join warninglist_networks as n
      on n.family = l.family and n.length = l.length and n.hi = a.hi & l.mask_hi and n.lo = a.lo & l.mask_lo
),
-- A published network that holds an entry would block the entry with it; only what must not leave is asked this way.
exclusive as (
    select n.*
    from warninglist_networks as n
    semi join (
        select list_no from warninglist_scopes join warninglist_policies using (policy_rank)
        where policy in ('protect', 'block')
    ) as s using (list_no)
),
published as (
    select a.*, m.mask_hi, m.mask_lo
    from warninglist_addresses as a
    join warninglist_masks as m using (family, length)
    where a.indicator_type = 'cidr'
),
around as (
    select distinct n.list_no, n.entry, n.length as entry_length, l.family, l.length, n.hi & l.mask_hi as hi, n.lo & l.mask_lo as lo
    from exclusive as n
    join (select distinct family, length, mask_hi, mask_lo from published) as l
      on l.family = n.family and l.length < n.length
),
held as (
    select p.indicator_id, p.indicator_type, a.list_no, a.entry_length::integer as distance, a.entry
    from published as p
    join around as a using (family, length, hi, lo)
)
select indicator_id, indicator_type, list_no, false as of_host, distance, entry from covering
union all
select indicator_id, indicator_type, list_no, false as of_host, distance, entry from held
