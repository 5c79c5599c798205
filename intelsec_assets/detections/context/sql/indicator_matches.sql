-- One indicator an address: an exported one first, then the narrowest, then the highest score, then by id.
select text, id, value, score, decision, campaign
from context_hits
qualify row_number() over (
    partition by text order by (decision = 'export') desc, length desc, score desc, id
) = 1
