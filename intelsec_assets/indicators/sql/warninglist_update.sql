-- Yesterday's hits of indicators still live and not new, and the hits of those first listed on $day.
select indicator_id, list, policy, entry
from warninglist_previous_hits
semi join (select indicator_id from warninglist_live where first_listed < $day) as known using (indicator_id)
union all
select indicator_id, list, policy, entry
from warninglist_fresh_hits
