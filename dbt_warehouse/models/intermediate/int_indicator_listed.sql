{{ config(incremental_strategy='replace_days') }}

-- Nothing of this changes on a day on which nobody lists the indicator: of the quiet days the last loud one speaks.
-- What is live on the first day was listed before anybody looked here, so that day keeps all of it.
select
    i.day,
    i.indicator_id,
    i.first_seen,
    i.observations,
    i.sources,
    i.source_count,
    i.campaigns,
    i.families,
    i.threat_types,
    i.confidence
from {{ ref('stg_indicators') }} as i
where
    {{ in_days('i.day') }}
    and (i.last_listed = i.day or i.day = (select min(d.day) from {{ ref('int_day') }} as d))
