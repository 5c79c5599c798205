WITH matches AS (
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, 'console_login_without_mfa' AS sigma_rule, CAST(e.useridentity.arn AS VARCHAR) AS "userIdentity.arn"
  FROM cloudtrail_logs AS e
  WHERE (LOWER(CAST(e.eventname AS VARCHAR)) = 'consolelogin' AND LOWER(CAST(JSON_EXTRACT_SCALAR(e.responseelements, '$["ConsoleLogin"]') AS VARCHAR)) = 'success' AND LOWER(CAST(JSON_EXTRACT_SCALAR(e.additionaleventdata, '$["MFAUsed"]') AS VARCHAR)) = 'no' AND LOWER(CAST(e.useridentity.type AS VARCHAR)) IN ('iamuser', 'root'))
  UNION
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, 'iam_identity_changed' AS sigma_rule, CAST(e.useridentity.arn AS VARCHAR) AS "userIdentity.arn"
  FROM cloudtrail_logs AS e
  WHERE (LOWER(CAST(e.eventsource AS VARCHAR)) = 'iam.amazonaws.com' AND (STARTS_WITH(LOWER(CAST(e.eventname AS VARCHAR)), 'create') OR STARTS_WITH(LOWER(CAST(e.eventname AS VARCHAR)), 'attach') OR STARTS_WITH(LOWER(CAST(e.eventname AS VARCHAR)), 'put') OR STARTS_WITH(LOWER(CAST(e.eventname AS VARCHAR)), 'update') OR STARTS_WITH(LOWER(CAST(e.eventname AS VARCHAR)), 'adduser') OR STARTS_WITH(LOWER(CAST(e.eventname AS VARCHAR)), 'deactivatemfa')) AND e.errorcode IS NULL)
),
counted AS (
  SELECT *, cardinality(array_distinct(array_agg(sigma_rule) OVER (PARTITION BY "userIdentity.arn" ORDER BY happened_at RANGE BETWEEN INTERVAL '1800' SECOND PRECEDING AND CURRENT ROW))) AS value FROM matches WHERE "userIdentity.arn" IS NOT NULL
)
SELECT * FROM counted WHERE value >= 2 ORDER BY happened_at
