SELECT e.*
FROM cloudtrail_logs AS e
WHERE (LOWER(CAST(e.eventsource AS VARCHAR)) = 'cloudtrail.amazonaws.com' AND LOWER(CAST(e.eventname AS VARCHAR)) IN ('stoplogging', 'deletetrail', 'updatetrail', 'puteventselectors', 'stopeventdatastoreingestion', 'deleteeventdatastore') AND e.errorcode IS NULL)
