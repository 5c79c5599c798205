-- Texts that are written in another way than the compact one most writers use: white space between parts, escapes of
-- characters that need none. Rules look for words in the text, so there is one way. NULL = it is no JSON.
select
    place,
    try(json(event))::varchar as event
from framed
where
    contains(event, '\u')
    or contains(event, '\/')
    or not regexp_matches(event, '^\{"[^"]*":[^ \n\t]')
    or contains(event, e'\n')
order by place
