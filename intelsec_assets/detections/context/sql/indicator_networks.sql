-- Indicators that are addresses or networks and not suppressed, as numbers.
select
    l.family, l.hi, l.lo, l.length,
    s.indicator_id::varchar as id, s.value, s.score, s.decision, i.campaigns[1] as campaign
from context_scores as s
join context_listed as l on l.text = s.value
left join context_indicators as i using (indicator_id)
where s.indicator_type in ('ipv4', 'ipv6', 'cidr') and s.decision <> 'suppress'
