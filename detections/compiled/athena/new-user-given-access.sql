WITH matches AS (
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, 'iam_user_created' AS sigma_rule, CAST(e.useridentity.arn AS VARCHAR) AS "userIdentity.arn", CAST(JSON_EXTRACT_SCALAR(e.requestparameters, '$["userName"]') AS VARCHAR) AS "requestParameters.userName"
  FROM cloudtrail_logs AS e
  WHERE (LOWER(CAST(e.eventsource AS VARCHAR)) = 'iam.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) = 'createuser' AND e.errorcode IS NULL)
  UNION
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, 'iam_user_given_access' AS sigma_rule, CAST(e.useridentity.arn AS VARCHAR) AS "userIdentity.arn", CAST(JSON_EXTRACT_SCALAR(e.requestparameters, '$["userName"]') AS VARCHAR) AS "requestParameters.userName"
  FROM cloudtrail_logs AS e
  WHERE (LOWER(CAST(e.eventsource AS VARCHAR)) = 'iam.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('createaccesskey', 'createloginprofile', 'attachuserpolicy', 'putuserpolicy', 'addusertogroup') AND e.errorcode IS NULL)
),
counted AS (
  SELECT *, cardinality(array_distinct(array_agg(sigma_rule) OVER (PARTITION BY "userIdentity.arn", "requestParameters.userName" ORDER BY happened_at RANGE BETWEEN INTERVAL '3600' SECOND PRECEDING AND CURRENT ROW))) AS value FROM matches WHERE "userIdentity.arn" IS NOT NULL AND "requestParameters.userName" IS NOT NULL
)
SELECT * FROM counted WHERE value >= 2 ORDER BY happened_at
