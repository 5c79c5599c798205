-- Distinct hosts of the names among today's indicators that were not known before.
select
    indicator_type,
    value,
    nullif(case indicator_type
        when 'domain' then value
        when 'email' then trim(split_part(value, '@', -1), '[]')
        else trim(regexp_extract(value, '^[^:/?#]+://(?:[^/?#@]*@)?(\[[^\]]*\]|[^:/?#]*)', 1), '[]')
    end, '') as host
from state_touched_{run} as t
anti join state_known_{run} as k on t.indicator_type = k.indicator_type and t.value = k.value
where indicator_type in ('domain', 'url', 'email')
