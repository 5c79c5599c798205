insert into {table} by name
select "eventID" as event_id, event_time, filename as file, 'aws' as provider{selected}
from (
    select *, {event_time} as event_time
    from read_json(
        [{files}], format = 'newline_delimited', filename = true, ignore_errors = true, columns = {columns}
    )
)
