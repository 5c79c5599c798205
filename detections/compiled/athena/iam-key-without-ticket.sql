SELECT e.*
FROM cloudtrail_logs AS e
LEFT JOIN audit_context AS c ON c.event_id = e.eventid AND c.provider = 'aws'
WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 'iam.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) = 'createaccesskey' AND e.errorcode IS NULL) AND LOWER(CAST(c."context.ticket.state" AS VARCHAR)) IN ('absent', 'unknown'))
