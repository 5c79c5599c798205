-- Lines that DuckDB read at once have no number: they stand in the order of their file.
select events.* replace (events.rowid - firsts.first + 1 as record)
from {table}_fast as events
inner join (select file, min(rowid) as first from {table}_fast group by file) as firsts
    on events.file = firsts.file
union all by name
select * from {table}_slow
