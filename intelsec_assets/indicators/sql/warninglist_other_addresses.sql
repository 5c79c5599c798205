-- Texts that may be an IPv6 address or a network, for Python to parse: indicator_id, indicator_type, text, is_host.
select
    indicator_id::varchar as indicator_id,
    indicator_type,
    if(indicator_type in ('ipv6', 'cidr'), value, host) as text,
    indicator_type in ('url', 'email') as is_host
from warninglist_indicators
where indicator_type in ('ipv6', 'cidr')
   or (indicator_type in ('url', 'email') and contains(host, ':'))
