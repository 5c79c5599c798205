WITH matches AS (
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, 'looked_at_identities' AS sigma_rule, CAST(e.useridentity.arn AS VARCHAR) AS "userIdentity.arn"
  FROM cloudtrail_logs AS e
  WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 'iam.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('getaccountauthorizationdetails', 'getaccountsummary', 'listaccesskeys', 'listgroupsforuser', 'listmfadevices', 'listroles', 'listusers')) AND NOT COALESCE(NOT e.useridentity.invokedby IS NULL, FALSE))
  UNION
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, 'looked_at_storage' AS sigma_rule, CAST(e.useridentity.arn AS VARCHAR) AS "userIdentity.arn"
  FROM cloudtrail_logs AS e
  WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 's3.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('getbucketpolicy', 'listbuckets')) AND NOT COALESCE(NOT e.useridentity.invokedby IS NULL, FALSE))
  UNION
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, 'looked_at_machines' AS sigma_rule, CAST(e.useridentity.arn AS VARCHAR) AS "userIdentity.arn"
  FROM cloudtrail_logs AS e
  WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 'ec2.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('describeinstances', 'describesecuritygroups', 'describesnapshots')) AND NOT COALESCE(NOT e.useridentity.invokedby IS NULL, FALSE))
  UNION
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, 'looked_at_logging' AS sigma_rule, CAST(e.useridentity.arn AS VARCHAR) AS "userIdentity.arn"
  FROM cloudtrail_logs AS e
  WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 'cloudtrail.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('describetrails', 'geteventselectors', 'gettrailstatus', 'listtrails')) AND NOT COALESCE(NOT e.useridentity.invokedby IS NULL, FALSE))
),
counted AS (
  SELECT *, cardinality(array_distinct(array_agg(sigma_rule) OVER (PARTITION BY "userIdentity.arn" ORDER BY happened_at RANGE BETWEEN INTERVAL '900' SECOND PRECEDING AND CURRENT ROW))) AS value FROM matches WHERE "userIdentity.arn" IS NOT NULL
)
SELECT * FROM counted WHERE value >= 4 ORDER BY happened_at
