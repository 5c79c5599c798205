SELECT e.*
FROM cloudtrail_logs AS e
WHERE ((LOWER(CAST(e.eventsource AS VARCHAR)) = 'ec2.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) = 'deleteflowlogs' AND e.errorcode IS NULL) OR (LOWER(CAST(e.eventsource AS VARCHAR)) = 'route53resolver.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('deleteresolverquerylogconfig', 'disassociateresolverquerylogconfig') AND e.errorcode IS NULL))
