WITH matches AS (
  SELECT from_iso8601_timestamp(e.eventtime) AS at, e.eventid, 'instance_secret_asked_for' AS sigma_rule, CAST(e.useridentity.arn AS VARCHAR) AS "userIdentity.arn", CAST(JSON_EXTRACT_SCALAR(e.requestparameters, '$["instanceId"]') AS VARCHAR) AS counted
  FROM cloudtrail_logs AS e
  WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 'ec2.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) = 'getpassworddata') OR (LOWER(CAST(e.eventsource AS VARCHAR)) = 'ec2.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) = 'describeinstanceattribute' AND LOWER(CAST(JSON_EXTRACT_SCALAR(e.requestparameters, '$["attribute"]') AS VARCHAR)) = 'userdata'))
),
counted AS (
  SELECT *, cardinality(array_distinct(array_agg(counted) FILTER (WHERE counted IS NOT NULL) OVER (PARTITION BY "userIdentity.arn" ORDER BY at RANGE BETWEEN INTERVAL '600' SECOND PRECEDING AND CURRENT ROW))) AS value FROM matches
)
SELECT * FROM counted WHERE value >= 8 ORDER BY at
