-- One pattern ($pattern, RE2) of one list against whole values; columns as in warninglist_network_matches.sql.
select indicator_id, indicator_type, $list_no::uinteger as list_no, false as of_host, 0 as distance, $entry::varchar as entry
from warninglist_indicators
where indicator_type in (select indicator_type from warninglist_scopes where list_no = $list_no::uinteger)
  and regexp_matches(value, $pattern)
