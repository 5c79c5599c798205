select
    columns_of.* exclude (read_only_text),
    case lower(read_only_text) when 'true' then true when 'false' then false end as read_only,
    /* instant */ as event_time
from columns_of
