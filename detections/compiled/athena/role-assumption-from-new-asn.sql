SELECT e.*
FROM cloudtrail_logs AS e
LEFT JOIN audit_context AS c ON c.event_id = e.eventid AND c.provider = 'aws'
WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 'sts.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('assumerole', 'assumerolewithsaml', 'assumerolewithwebidentity') AND e.errorcode IS NULL AND LOWER(CAST(c."context.asn.state" AS VARCHAR)) = 'new') AND NOT COALESCE(LOWER(CAST(e.useridentity.type AS VARCHAR)) = 'awsservice', FALSE))
