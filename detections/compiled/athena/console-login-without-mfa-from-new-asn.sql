SELECT e.*
FROM cloudtrail_logs AS e
LEFT JOIN audit_context AS c ON c.event_id = e.eventid AND c.provider = 'aws'
WHERE (LOWER(CAST(e.eventname AS VARCHAR)) = 'consolelogin' AND LOWER(CAST(JSON_EXTRACT_SCALAR(e.responseelements, '$["ConsoleLogin"]') AS VARCHAR)) = 'success' AND LOWER(CAST(JSON_EXTRACT_SCALAR(e.additionaleventdata, '$["MFAUsed"]') AS VARCHAR)) = 'no' AND LOWER(CAST(e.useridentity.type AS VARCHAR)) IN ('iamuser', 'root') AND LOWER(CAST(c."context.asn.state" AS VARCHAR)) = 'new')
