WITH matches AS (
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, CAST(e.useridentity.principalid AS VARCHAR) AS "userIdentity.principalId", CAST(JSON_EXTRACT_SCALAR(e.requestparameters, '$["key"]') AS VARCHAR) AS counted_value
  FROM cloudtrail_logs AS e
  WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 's3.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) = 'getobject' AND e.errorcode IS NULL) AND NOT COALESCE((LOWER(CAST(e.useridentity.type AS VARCHAR)) = 'awsservice' OR NOT e.useridentity.invokedby IS NULL), FALSE))
),
counted AS (
  SELECT *, cardinality(array_distinct(array_agg(counted_value) FILTER (WHERE counted_value IS NOT NULL) OVER (PARTITION BY "userIdentity.principalId" ORDER BY happened_at RANGE BETWEEN INTERVAL '600' SECOND PRECEDING AND CURRENT ROW))) AS value FROM matches WHERE "userIdentity.principalId" IS NOT NULL
)
SELECT * FROM counted WHERE value >= 100 ORDER BY happened_at
