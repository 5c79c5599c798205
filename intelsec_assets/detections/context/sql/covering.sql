-- Every network that holds an address: text and the columns of the network.
with lengths as (
    select m.* from context_masks as m semi join {networks} as n using (family, length)
)
select a.text, n.*
from {addresses} as a
join lengths as l on l.family = a.family and l.length <= a.length
join {networks} as n
  on n.family = l.family and n.length = l.length and n.hi = a.hi & l.mask_hi and n.lo = a.lo & l.mask_lo
