-- CloudTrail records as columns; `framed(place, event)` holds their texts. One parse a record.
with extracted as (
    select
        place,
        event,
        json_extract_string(event, [
            '$."eventID"', '$."eventTime"', '$."@timestamp"', '$."eventSource"', '$."eventName"',
            '$."eventType"', '$."eventCategory"', '$."awsRegion"', '$."recipientAccountId"', '$."readOnly"',
            '$."errorCode"', '$."errorMessage"', '$."userIdentity"."type"', '$."userIdentity"."arn"',
            '$."userIdentity"."principalId"', '$."userIdentity"."accountId"', '$."userIdentity"."userName"',
            '$."userIdentity"."accessKeyId"', '$."userIdentity"."sessionContext"."sessionIssuer"."arn"',
            '$."userIdentity"."sessionContext"."sessionIssuer"."type"', '$."userIdentity"."invokedBy"',
            '$."userIdentity"."sessionContext"."attributes"."mfaAuthenticated"', '$."sourceIPAddress"', '$."userAgent"',
            '$."userIdentity"."sessionContext"."sourceIdentity"', '$."resources"[0]."ARN"',
            '$."requestParameters"."roleArn"', '$."requestParameters"."keyId"', '$."requestParameters"."bucketName"',
            '$."requestParameters"."functionName"', '$."requestParameters"."userName"',
            '$."requestParameters"."roleName"', '$."requestParameters"."groupId"', '$."requestParameters"."instanceId"',
            '$."requestParameters"."snapshotId"', '$."requestParameters"."imageId"', '$."requestParameters"."secretId"',
            '$."requestParameters"."name"', '$."responseElements"."ConsoleLogin"'
        ]) as x
    from framed
)

select
    place,
    x is null as is_malformed,
    x[1] as event_id,
    coalesce(x[2], x[3]) as time_text,
    x[4] as event_source,
    x[5] as event_name,
    x[6] as event_type,
    x[7] as event_category,
    x[8] as region,
    x[9] as account,
    x[10] as read_only_text,
    x[11] as error_code,
    x[12] as error_message,
    x[13] as actor_type,
    x[14] as actor_arn,
    x[15] as actor_principal,
    x[16] as actor_account,
    x[17] as actor_user,
    x[18] as actor_access_key,
    x[19] as actor_issuer_arn,
    x[20] as actor_issuer_type,
    x[21] as actor_invoked_by,
    x[22] as mfa,
    case
        when x[13] = 'AssumedRole' and x[19] is not null
            then case when x[25] is null then x[19] else x[19] || '#' || x[25] end
        else coalesce(x[14], x[15], x[21])
    end as principal,
    x[23] as source_text,
    x[24] as user_agent,
    coalesce(
        x[26], x[27], x[28], x[29], x[30], x[31], x[32], x[33], x[34], x[35], x[36], x[37], x[38]
    ) as resource,
    -- a sign-in that failed has no error code
    x[11] is not null or coalesce(x[39] = 'Failure', false) as is_failure,
    x[2] is null and x[3] is not null as has_other_time,
    x[13] is null as has_no_type,
    x[14] is null as has_no_arn,
    coalesce(x[10] not in ('true', 'false'), false) or coalesce(left(x[14], 1) in ('{', '['), false) as has_wrong_type
from extracted
