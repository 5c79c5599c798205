WITH matches AS (
  SELECT from_iso8601_timestamp(e.eventtime) AS at, e.eventid, 's3_object_read' AS sigma_rule, CAST(e.useridentity.principalid AS VARCHAR) AS "userIdentity.principalId", CAST(JSON_EXTRACT_SCALAR(e.requestparameters, '$["key"]') AS VARCHAR) AS counted
  FROM cloudtrail_logs AS e
  WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 's3.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) = 'getobject' AND e.errorcode IS NULL) AND NOT COALESCE((LOWER(CAST(e.useridentity.type AS VARCHAR)) = 'awsservice' OR NOT e.useridentity.invokedby IS NULL), FALSE))
),
counted AS (
  SELECT *, cardinality(array_distinct(array_agg(counted) FILTER (WHERE counted IS NOT NULL) OVER (PARTITION BY "userIdentity.principalId" ORDER BY at RANGE BETWEEN INTERVAL '600' SECOND PRECEDING AND CURRENT ROW))) AS value FROM matches
)
SELECT * FROM counted WHERE value >= 100 ORDER BY at
