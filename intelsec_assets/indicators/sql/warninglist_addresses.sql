-- IPv4 addresses among the indicators: of addresses themselves, and of the hosts of URLs and e-mail addresses.
-- Left-aligned in 128 bits as in matching/networks.py: indicator_id, indicator_type, family, hi, lo, length.
with texts as (
    select
        indicator_id,
        indicator_type,
        string_split(if(indicator_type = 'ipv4', value, trim(host, '[].')), '.') as octets
    from warninglist_indicators
    where indicator_type = 'ipv4'
       or (indicator_type in ('url', 'email') and regexp_full_match(trim(host, '[].'), '[0-9]{1,3}([.][0-9]{1,3}){3}'))
),
numbers as (
    select
        indicator_id,
        indicator_type,
        try_cast(octets[1] as utinyint)::ubigint as a,
        try_cast(octets[2] as utinyint)::ubigint as b,
        try_cast(octets[3] as utinyint)::ubigint as c,
        try_cast(octets[4] as utinyint)::ubigint as d
    from texts
)
select
    indicator_id,
    indicator_type,
    4::utinyint as family,
    a * 72057594037927936 + b * 281474976710656 + c * 1099511627776 + d * 4294967296 as hi,
    0::ubigint as lo,
    32::utinyint as length
from numbers
where hi is not null
