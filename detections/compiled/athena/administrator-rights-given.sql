SELECT e.*
FROM cloudtrail_logs AS e
WHERE (LOWER(CAST(e.eventsource AS VARCHAR)) = 'iam.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('attachuserpolicy', 'attachgrouppolicy', 'attachrolepolicy') AND e.errorcode IS NULL AND ((SUBSTR(LOWER(CAST(JSON_EXTRACT_SCALAR(e.requestparameters, '$["policyArn"]') AS VARCHAR)), -LENGTH(':aws:policy/administratoraccess')) = ':aws:policy/administratoraccess') OR (SUBSTR(LOWER(CAST(JSON_EXTRACT_SCALAR(e.requestparameters, '$["policyArn"]') AS VARCHAR)), -LENGTH(':aws:policy/iamfullaccess')) = ':aws:policy/iamfullaccess')))
