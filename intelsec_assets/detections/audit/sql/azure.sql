-- Azure activity log as columns: records of the diagnostic export, and the REST shape whose names are {value, …}.
with extracted as (
    select
        place,
        json_extract_string(event, [
            '$."eventDataId"', '$."properties"."eventDataId"', '$."time"', '$."eventTimestamp"',
            '$."operationName"."value"', '$."operationName"', '$."resourceProviderName"."value"', '$."resourceId"',
            '$."category"."value"', '$."category"', '$."location"', '$."subscriptionId"', '$."resultType"',
            '$."status"."value"', '$."resultSignature"', '$."subStatus"."value"', '$."resultDescription"',
            '$."identity"."authorization"."evidence"."principalType"', '$."caller"',
            '$."identity"."claims"."http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"',
            '$."claims"."http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"',
            '$."identity"."claims"."http://schemas.microsoft.com/identity/claims/objectidentifier"',
            '$."claims"."http://schemas.microsoft.com/identity/claims/objectidentifier"',
            '$."identity"."claims"."appid"', '$."claims"."appid"', '$."callerIpAddress"',
            '$."httpRequest"."clientIpAddress"', '$."tenantId"', '$."identity"."claims"."idtyp"', '$."claims"."idtyp"',
            '$."description"', '$."identity"."authorization"."evidence"."principalId"'
        ]) as x
    from framed
),

named as (
    select
        *,
        coalesce(x[5], x[6]) as operation,
        coalesce(x[14], x[13]) as outcome,
        -- a principal's object id is what stays; its name may change
        coalesce(x[22], x[23], x[32]) as object_id,
        coalesce(x[19], x[20], x[21]) as user_name,
        coalesce(x[24], x[25]) as application
    from extracted
)

select
    x is null as is_malformed,
    coalesce(x[1], x[2]) as event_id,
    coalesce(x[3], x[4]) as time_text,
    coalesce(x[7], nullif(split_part(operation, '/', 1), '')) as event_source,
    operation as event_name,
    case when x[5] is null then 'AzureActivityExport' else 'AzureActivity' end as event_type,
    coalesce(x[9], x[10]) as event_category,
    x[11] as region,
    coalesce(x[12], lower(nullif(regexp_extract(x[8], '(?i)^/subscriptions/([^/]+)', 1), ''))) as account,
    null::varchar as read_only_text,
    case when lower(outcome) in ('failed', 'failure') then coalesce(x[16], x[15], outcome) end as error_code,
    case when lower(outcome) in ('failed', 'failure') then coalesce(x[17], x[31]) end as error_message,
    coalesce(x[18], x[29], x[30], case when user_name like '%@%' then 'User' end) as actor_type,
    coalesce(user_name, object_id, application) as actor_arn,
    object_id as actor_principal,
    x[28] as actor_account,
    user_name as actor_user,
    application as actor_access_key,
    null::varchar as actor_issuer_arn,
    null::varchar as actor_issuer_type,
    null::varchar as actor_invoked_by,
    null::varchar as mfa,
    coalesce(user_name, object_id, application) as principal,
    coalesce(x[26], x[27]) as source_text,
    null::varchar as user_agent,
    x[8] as resource,
    coalesce(lower(outcome) in ('failed', 'failure'), false) as is_failure,
    false as has_other_time,
    coalesce(x[18], x[29], x[30], case when user_name like '%@%' then 'User' end) is null as has_no_type,
    coalesce(user_name, object_id, application) is null as has_no_arn,
    coalesce(left(x[8], 1) in ('{', '['), false) as has_wrong_type,
    null::varchar as entry
from named
order by place
