-- Records whose text must be looked at: most need none of this. Looking for one sign first spares most the others.
select
    place,
    -- written in another way than the compact one most writers use: white space between parts, needless escapes
    case when contains(event, '\') then contains(event, '\u') or contains(event, '\/') else false end
    or case
        when starts_with(event, '{"eventVersion":"') then false -- as CloudTrail writes it
        else
            substr(event, strpos(event, '":') + 2, 1) in (' ', '', e'\t')
            or left(event, 1) <> '{' or left(event, 2) = '{ '
    end as is_written_otherwise,
    -- what DuckDB takes and others do not; texts that only hold the words are repaired to what they were
    case when contains(event, '\') then contains(event, '\u0000') else false end
    or contains(event, 'NaN')
    or contains(event, 'Infinity') as is_doubtful
from framed
where is_written_otherwise or is_doubtful
