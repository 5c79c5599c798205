SELECT e.*
FROM cloudtrail_logs AS e
WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 'iam.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('createloginprofile', 'updateloginprofile') AND e.errorcode IS NULL) AND NOT COALESCE(LOWER(CAST(e.useridentity.username AS VARCHAR)) = LOWER(CAST(JSON_EXTRACT_SCALAR(e.requestparameters, '$["userName"]') AS VARCHAR)), FALSE))
