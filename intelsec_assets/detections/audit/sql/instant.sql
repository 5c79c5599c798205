-- An instant out of a text: ISO 8601 with or without zone (UTC then), seconds or milliseconds since 1970. No clock on
-- earth is further than 14 hours from UTC.
coalesce(
    case
        when regexp_matches(time_text, '[+-](1[5-9]|[2-9][0-9]|14:?[1-9]|14:?0[1-9]|[0-9]{3,}:)[0-9:]*$') then null
        when regexp_matches(time_text, '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}')
            then try_cast(time_text as timestamptz)
    end,
    case
        when regexp_full_match(time_text, '[0-9]{9,11}([.][0-9]+)?')
            then make_timestamptz((try_cast(time_text as double) * 1e6)::bigint)
        when regexp_full_match(time_text, '[0-9]{12,14}')
            then make_timestamptz(try_cast(time_text as bigint) * 1000)
    end
)
