{{ config(incremental_strategy='replace_days') }}

select
    i.day,
    i.indicator_id,
    i.first_listed,
    i.host,
    i.registered_domain
from {{ ref('stg_indicators') }} as i
where
    {{ in_days('i.day') }}
    and (i.first_listed = i.day or i.day = (select min(d.day) from {{ ref('int_day') }} as d))
