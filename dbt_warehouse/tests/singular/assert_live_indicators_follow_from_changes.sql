with days as (
    select d.day
    from {{ ref('int_day') }} as d
    where {{ in_window_days('d.day') }}
),

live as (
    select
        i.day,
        count(*) as live_indicators
    from {{ ref('fct_indicator_day') }} as i
    where {{ in_days_of_windows('i.day', 1) }}
    group by i.day
),

changes as (
    select
        c.day,
        count(*) filter (where c.change = 'entered') as entered,
        count(*) filter (where c.change = 'left') as gone
    from {{ ref('fct_indicator_change') }} as c
    where {{ in_window_days('c.day') }}
    group by c.day
),

counted as (
    select
        d.day,
        coalesce(b.live_indicators, 0) as live_the_day_before,
        coalesce(c.entered, 0) as entered,
        coalesce(c.gone, 0) as left_the_state,
        coalesce(t.live_indicators, 0) as live_indicators
    from days as d
    left join live as t on d.day = t.day
    left join live as b on d.day = {{ days_after('b.day', 1) }}
    left join changes as c on d.day = c.day
)

select *
from counted
where live_indicators <> live_the_day_before + entered - left_the_state
