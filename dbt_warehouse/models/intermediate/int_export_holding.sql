{{ config(incremental_strategy='replace_keys') }}

{%- set is_increment = only_adds_days() %}

-- what a day's last write about an indicator left behind at its target
with told as (
    select
        x.day,
        x.target,
        x.indicator_id,
        x.action <> 'withdraw' as is_held,
        row_number() over (partition by x.day, x.target, x.indicator_id order by x.seq desc) as from_last
    from {{ ref('fct_export') }} as x
    {% if is_increment -%}
    where {{ in_days('x.day') }}
    {%- endif %}
),

states as (
    select
        t.day,
        t.target,
        t.indicator_id,
        t.is_held
    from told as t
    where t.from_last = 1
    {% if is_increment -%}
    -- of the days before only what still stands matters: it ends now, or goes on
    union all
    select
        h.held_from as day,
        h.target,
        h.indicator_id,
        true as is_held
    from {{ this }} as h
    inner join (
        select distinct
            t.target,
            t.indicator_id
        from told as t
    ) as touched on h.target = touched.target and h.indicator_id = touched.indicator_id
    where h.held_until is null
    {%- endif %}
),

compared as (
    select
        s.day,
        s.target,
        s.indicator_id,
        s.is_held,
        lag(s.is_held) over (partition by s.target, s.indicator_id order by s.day) as was_held
    from states as s
),

changes as (
    select
        c.day,
        c.target,
        c.indicator_id,
        c.is_held,
        lead(c.day) over (partition by c.target, c.indicator_id order by c.day) as next_change
    from compared as c
    where c.is_held <> coalesce(c.was_held, false)
)

select
    c.target,
    c.indicator_id,
    c.day as held_from,
    c.next_change as held_until
from changes as c
where c.is_held
