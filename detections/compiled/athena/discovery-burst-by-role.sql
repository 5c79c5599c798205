WITH matches AS (
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, CAST(e.useridentity.sessioncontext.sessionissuer.arn AS VARCHAR) AS "userIdentity.sessionContext.sessionIssuer.arn", CAST(e.eventname AS VARCHAR) AS counted_value
  FROM cloudtrail_logs AS e
  WHERE (NOT e.useridentity.sessioncontext.sessionissuer.arn IS NULL AND ((LOWER(CAST(e.eventsource AS VARCHAR)) = 'iam.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('getaccountauthorizationdetails', 'getaccountsummary', 'listaccesskeys', 'listgroupsforuser', 'listmfadevices', 'listroles', 'listusers')) OR (LOWER(CAST(e.eventsource AS VARCHAR)) = 's3.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('getbucketpolicy', 'listbuckets')) OR (LOWER(CAST(e.eventsource AS VARCHAR)) = 'ec2.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('describeinstances', 'describesecuritygroups', 'describesnapshots')) OR (LOWER(CAST(e.eventsource AS VARCHAR)) = 'cloudtrail.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('describetrails', 'geteventselectors', 'gettrailstatus', 'listtrails'))) AND NOT COALESCE((NOT e.useridentity.invokedby IS NULL OR STRPOS(LOWER(CAST(e.useridentity.sessioncontext.sessionissuer.arn AS VARCHAR)), '/awsreservedsso_') > 0), FALSE))
),
counted AS (
  SELECT *, cardinality(array_distinct(array_agg(counted_value) FILTER (WHERE counted_value IS NOT NULL) OVER (PARTITION BY "userIdentity.sessionContext.sessionIssuer.arn" ORDER BY happened_at RANGE BETWEEN INTERVAL '900' SECOND PRECEDING AND CURRENT ROW))) AS value FROM matches WHERE "userIdentity.sessionContext.sessionIssuer.arn" IS NOT NULL
)
SELECT * FROM counted WHERE value >= 8 ORDER BY happened_at
