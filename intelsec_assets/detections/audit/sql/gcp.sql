-- Google Cloud audit log entries (LogEntry with protoPayload, or what Pub/Sub puts around one) as columns.
with bare as (
    -- Pub/Sub through EventBridge and Eventarc: {"data": {entry}}
    select
        place,
        case
            when
                json_extract(event, '$."data"."protoPayload"') is not null
                and json_extract(event, '$."protoPayload"') is null
                then json_extract(event, '$."data"')::varchar
        end as entry,
        event
    from framed
),

entries as (
    select place, entry, coalesce(entry, event) as event
    from bare
),

extracted as (
    select
        place,
        entry,
        json_extract_string(event, [
            '$."insertId"', '$."timestamp"', '$."receiveTimestamp"', '$."protoPayload"."serviceName"',
            '$."protoPayload"."methodName"', '$."logName"', '$."resource"."labels"."location"',
            '$."resource"."labels"."zone"', '$."resource"."labels"."project_id"', '$."protoPayload"."status"."code"',
            '$."protoPayload"."status"."message"', '$."protoPayload"."authenticationInfo"."principalEmail"',
            '$."protoPayload"."authenticationInfo"."principalSubject"',
            '$."protoPayload"."authenticationInfo"."serviceAccountKeyName"',
            '$."protoPayload"."requestMetadata"."callerIp"',
            '$."protoPayload"."requestMetadata"."callerSuppliedUserAgent"', '$."protoPayload"."resourceName"',
            '$."resource"."labels"."organization_id"', '$."protoPayload"."@type"', '$."resource"."labels"."folder_id"'
        ]) as x
    from entries
)

select
    x is null as is_malformed,
    -- An insertId is unique within its log and instant only. Exporters spell one instant in several ways: UTC is Z here,
    -- and a fraction ends with its last digit that is not 0
    x[1] || '@' || regexp_replace(
        regexp_replace(coalesce(x[2], x[3], ''), '([+-]00:?00|z)$', 'Z'),
        '(?:([.][0-9]*[1-9])0+|[.]0*)(Z|[+-][0-9:]+)?$', '\1\2'
    ) as event_id,
    coalesce(x[2], x[3]) as time_text,
    x[4] as event_source,
    x[5] as event_name,
    coalesce(x[19], 'LogEntry') as event_type,
    case
        when contains(x[6], 'cloudaudit.googleapis.com%2Factivity') then 'Admin Activity'
        when contains(x[6], 'cloudaudit.googleapis.com%2Fdata_access') then 'Data Access'
        when contains(x[6], 'cloudaudit.googleapis.com%2Fsystem_event') then 'System Event'
        when contains(x[6], 'cloudaudit.googleapis.com%2Fpolicy') then 'Policy Denied'
    end as event_category,
    coalesce(x[7], x[8]) as region,
    coalesce(x[9], x[20], x[18]) as account,
    null::varchar as read_only_text,
    nullif(x[10], '0') as error_code,
    case when x[10] <> '0' then x[11] end as error_message,
    case
        when x[12] like '%.gserviceaccount.com' then 'serviceAccount'
        when x[12] is not null then 'user'
        when x[13] is not null then split_part(x[13], ':', 1)
    end as actor_type,
    coalesce(x[12], x[13]) as actor_arn,
    x[13] as actor_principal,
    null::varchar as actor_account,
    x[12] as actor_user,
    x[14] as actor_access_key,
    null::varchar as actor_issuer_arn,
    null::varchar as actor_issuer_type,
    null::varchar as actor_invoked_by,
    null::varchar as mfa,
    coalesce(x[12], x[13]) as principal,
    x[15] as source_text,
    x[16] as user_agent,
    x[17] as resource,
    coalesce(x[10] <> '0', false) as is_failure,
    x[2] is null and x[3] is not null as has_other_time,
    x[12] is null and x[13] is null as has_no_type,
    x[12] is null and x[13] is null as has_no_arn,
    coalesce(left(x[12], 1) in ('{', '['), false) as has_wrong_type,
    entry
from extracted
order by place
