WITH matches AS (
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, 'trust_anchor_created' AS sigma_rule, CAST(e.useridentity.arn AS VARCHAR) AS "userIdentity.arn"
  FROM cloudtrail_logs AS e
  WHERE (LOWER(CAST(e.eventsource AS VARCHAR)) = 'rolesanywhere.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) = 'createtrustanchor' AND e.errorcode IS NULL)
  UNION
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, 'roles_anywhere_profile_created' AS sigma_rule, CAST(e.useridentity.arn AS VARCHAR) AS "userIdentity.arn"
  FROM cloudtrail_logs AS e
  WHERE (LOWER(CAST(e.eventsource AS VARCHAR)) = 'rolesanywhere.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) = 'createprofile' AND e.errorcode IS NULL)
),
counted AS (
  SELECT *, cardinality(array_distinct(array_agg(sigma_rule) OVER (PARTITION BY "userIdentity.arn" ORDER BY happened_at RANGE BETWEEN INTERVAL '3600' SECOND PRECEDING AND CURRENT ROW))) AS value FROM matches WHERE "userIdentity.arn" IS NOT NULL
)
SELECT * FROM counted WHERE value >= 2 ORDER BY happened_at
