-- IPv4 addresses among context_texts (text): text, family, hi, lo, length, left-aligned in 128 bits.
with texts as (
    select distinct text, string_split(text, '.') as octets
    from context_texts
    where regexp_full_match(text, '(0|[1-9][0-9]{0,2})([.](0|[1-9][0-9]{0,2})){3}')
),
numbers as (
    select
        text,
        try_cast(octets[1] as utinyint)::ubigint as a,
        try_cast(octets[2] as utinyint)::ubigint as b,
        try_cast(octets[3] as utinyint)::ubigint as c,
        try_cast(octets[4] as utinyint)::ubigint as d
    from texts
)
select
    text,
    4::utinyint as family,
    a * 72057594037927936 + b * 281474976710656 + c * 1099511627776 + d * 4294967296 as hi,
    0::ubigint as lo,
    32::utinyint as length
from numbers
where hi is not null
