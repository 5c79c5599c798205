WITH matches AS (
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, CAST(e.useridentity.sessioncontext.sessionissuer.arn AS VARCHAR) AS "userIdentity.sessionContext.sessionIssuer.arn", CAST(JSON_EXTRACT_SCALAR(e.requestparameters, '$["instanceId"]') AS VARCHAR) AS counted_value
  FROM cloudtrail_logs AS e
  WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 'ec2.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) = 'getpassworddata' AND NOT e.useridentity.sessioncontext.sessionissuer.arn IS NULL) OR (LOWER(CAST(e.eventsource AS VARCHAR)) = 'ec2.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) = 'describeinstanceattribute' AND LOWER(CAST(JSON_EXTRACT_SCALAR(e.requestparameters, '$["attribute"]') AS VARCHAR)) = 'userdata' AND NOT e.useridentity.sessioncontext.sessionissuer.arn IS NULL))
),
counted AS (
  SELECT *, cardinality(array_distinct(array_agg(counted_value) FILTER (WHERE counted_value IS NOT NULL) OVER (PARTITION BY "userIdentity.sessionContext.sessionIssuer.arn" ORDER BY happened_at RANGE BETWEEN INTERVAL '600' SECOND PRECEDING AND CURRENT ROW))) AS value FROM matches WHERE "userIdentity.sessionContext.sessionIssuer.arn" IS NOT NULL
)
SELECT * FROM counted WHERE value >= 16 ORDER BY happened_at
