WITH matches AS (
  SELECT DISTINCT from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid, CAST(e.useridentity.sessioncontext.sessionissuer.arn AS VARCHAR) AS "userIdentity.sessionContext.sessionIssuer.arn"
  FROM cloudtrail_logs AS e
  WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 'kms.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) = 'decrypt' AND e.errorcode IS NULL AND NOT e.useridentity.sessioncontext.sessionissuer.arn IS NULL) AND (LOWER(CAST(e.useridentity.invokedby AS VARCHAR)) = 'secretsmanager.amazonaws.com' OR e.useridentity.invokedby IS NULL OR (LOWER(CAST(e.useridentity.invokedby AS VARCHAR)) IN ('aws internal', 'ssm.amazonaws.com') AND NOT NULLIF(JSON_FORMAT(CAST(JSON_EXTRACT(e.requestparameters, '$["encryptionContext"]["PARAMETER_ARN"]') AS JSON)), 'null') IS NULL)) AND NOT COALESCE((LOWER(CAST(e.useridentity.type AS VARCHAR)) = 'awsservice' OR STRPOS(LOWER(CAST(e.useridentity.sessioncontext.sessionissuer.arn AS VARCHAR)), ':role/aws-service-role/') > 0), FALSE))
),
counted AS (
  SELECT *, count(*) OVER (PARTITION BY "userIdentity.sessionContext.sessionIssuer.arn" ORDER BY happened_at RANGE BETWEEN INTERVAL '600' SECOND PRECEDING AND CURRENT ROW) AS value FROM matches WHERE "userIdentity.sessionContext.sessionIssuer.arn" IS NOT NULL
)
SELECT * FROM counted WHERE value >= 200 ORDER BY happened_at
