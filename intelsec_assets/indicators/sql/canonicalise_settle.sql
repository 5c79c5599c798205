-- grain: one distinct (raw_value, declared_type). `settled` values are in canonical form, lack nothing but their path, or are
-- too long to look at; the rest has settled = false and is left to Python. Patterns and limits are those of indicators.canonical.
with distinct_values as (
    select distinct raw_value, indicator_type as declared_type from {values}
),
shaped as (
    select
        raw_value,
        declared_type,
        strlen(raw_value) as size,
        case
            when raw_value is null or size > $max_bytes then null
            when regexp_full_match(raw_value, $ipv4) then 'ipv4'
            when size <= $max_host and regexp_full_match(raw_value, $domain) then 'domain'
            when starts_with(raw_value, 'http') and strlen(split_part(raw_value, '/', 3)) <= $max_host then
                case
                    when regexp_full_match(raw_value, $url) then 'url'
                    when size < $max_bytes and regexp_full_match(raw_value, $url_origin) then 'origin'
                end
            when size in (32, 40, 64, 128) and regexp_full_match(raw_value, $hash) then
                case size when 32 then 'md5' when 40 then 'sha1' when 64 then 'sha256' else 'sha512' end
        end as shape,
        if(shape = 'origin', 'url', shape) as shape_type,
        coalesce(size > $max_bytes, false) as is_oversize,
        shape_type is not null and coalesce(declared_type, shape_type) = shape_type as is_canonical
    from distinct_values
)
select
    raw_value,
    declared_type,
    is_oversize or is_canonical as settled,
    case when is_canonical then shape_type end as indicator_type,
    case when is_canonical then if(shape = 'origin', raw_value || '/', raw_value) end as value,
    if(is_canonical and shape = 'origin', ['empty_path_slash'], []::varchar[]) as canon_rules,
    case when is_oversize then 'too_long' end as error,
    case when is_oversize then 'found ' || size || ' bytes; expected at most ' || $max_bytes end as detail
from shaped
