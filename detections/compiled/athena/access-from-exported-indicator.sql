SELECT e.*
FROM cloudtrail_logs AS e
LEFT JOIN audit_context AS c ON c.event_id = e.eventid AND c.provider = 'aws'
WHERE ((LOWER(CAST(c."context.indicator.state" AS VARCHAR)) = 'match' AND LOWER(CAST(c."context.indicator.decision" AS VARCHAR)) = 'export' AND e.errorcode IS NULL) AND NOT COALESCE(LOWER(CAST(JSON_EXTRACT_SCALAR(e.responseelements, '$["ConsoleLogin"]') AS VARCHAR)) = 'failure', FALSE))
