-- Score, decision and reason of each row of the source, term by term as `score_one` and `decide` have it.
-- No joins, and `case` in place of `in`: DuckDB makes a join of membership in a list, and a join does not keep the order of rows.
with components as (
    select
        indicator_id,
        indicator_type,
        value,
        tlp,
        list,
        entry,
        policy as warninglist,
        sandbox,
        source_trust,
        pow(0.5::double, greatest(epoch_us({as_of}) - epoch_us(last_seen), 0) / {microseconds_a_day}::double / {half_life}) as recency,
        (true_positives + {prior_true}) / (dispositioned + {prior_true} + {prior_false}) as hit_rate,
        case
            when {has_no_cooccurrence} then 0.0::double
            else 1.0::double - pow(0.5::double, greatest(independent_sources, 1) - 1)
        end as cooccurrence
    from {source}
),

points as (
    select
        *,
        {weight_trust} * source_trust as trust_points,
        {weight_recency} * recency as recency_points,
        {weight_hit_rate} * hit_rate as hit_rate_points,
        {weight_cooccurrence} * cooccurrence as cooccurrence_points,
        {sandbox_points}::double as sandbox_points,
        {warninglist_points}::double as warninglist_points
    from components
),

summed as (
    select
        *,
        trust_points + recency_points + hit_rate_points + cooccurrence_points + sandbox_points + warninglist_points as total,
        greatest(0.0::double, least(1.0::double, total)) as score,
        coalesce(list_position({tlp_levels}, tlp) > {max_tlp_rank}, true) as is_too_confidential,
        not {is_exported_type} as is_other_type,
        case when indicator_type = 'cidr' then split_part(value, '/', 2) end as prefix_length,
        case when indicator_type = 'cidr' then if(contains(value, ':'), {widest_ipv6}, {widest_ipv4}) end as widest,
        case when indicator_type = 'cidr' then coalesce(try_cast(prefix_length as integer) < widest, true) else false end as is_wide,
        score < {threshold} - {tolerance} as is_low
    from points
)

select
    indicator_id,
    indicator_type,
    value,
    {version} as model_version,
    source_trust,
    recency,
    hit_rate,
    cooccurrence,
    sandbox,
    warninglist,
    score,
    case
        when warninglist = 'protect' or warninglist = 'block' then 'suppress'
        when is_other_type or is_too_confidential or is_wide or is_low then 'hold'
        else 'export'
    end as decision,
    case
        when warninglist = 'protect' then 'protected: entry ' || entry || ' of list ' || list
        when warninglist = 'block' then 'blocked by entry ' || entry || ' of list ' || list
        when is_other_type or is_too_confidential or is_wide or is_low
            then concat_ws(
                '; ',
                case when is_other_type then 'type ' || indicator_type || ' is not exported' end,
                case when is_too_confidential then 'TLP ' || coalesce(tlp, 'unknown') || ' is above ' || {max_tlp} end,
                case when is_wide then 'network /' || prefix_length || ' is wider than /' || widest end,
                case
                    when is_low
                        then 'score ' || {score_text} || ' is below {threshold_text}'
                        || case
                            when warninglist_points < 0
                                then ', ' || format('{{:.2f}}', warninglist_points) || ' of it by entry ' || entry || ' of list ' || list
                            else ''
                        end
                end
            )
        else 'score ' || {score_text} || ' reaches {threshold_text}; TLP ' || tlp || ' is within ' || {max_tlp}
    end as reason,
    struct_pack(
        source_trust := trust_points,
        recency := recency_points,
        hit_rate := hit_rate_points,
        cooccurrence := cooccurrence_points,
        sandbox := sandbox_points,
        warninglist := warninglist_points,
        clamp := score - total
    ) as contributions
from summed
