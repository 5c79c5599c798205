-- Rules look for words in the text of an event, so there is one way to write it. NULL = it is no JSON.
select
    place,
    try(json(event))::varchar as event
from framed
order by place
