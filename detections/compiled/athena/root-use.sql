SELECT e.*
FROM cloudtrail_logs AS e
WHERE (LOWER(CAST(e.useridentity.type AS VARCHAR)) = 'root' AND NOT COALESCE((LOWER(CAST(e.eventtype AS VARCHAR)) = 'awsserviceevent' OR NOT e.useridentity.invokedby IS NULL), FALSE))
