-- Events of a day, of one delivered several times the first delivery. `parts` holds what has landed.
select *
from parts
qualify row_number() over (partition by provider, event_id order by delivered_at, source, file, record, event) = 1
