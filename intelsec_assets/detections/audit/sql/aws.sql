-- CloudTrail records as columns, read from a file with a line a record: DuckDB parses it once, and only for these fields.
-- A field of another type than it has here is its JSON as text, or NULL where it should hold fields itself.
with records as (
    select *
    from
        read_json(
            /* file */,
            format = 'newline_delimited',
            ignore_errors = true,
            columns = {
                eventID: 'VARCHAR',
                eventTime: 'VARCHAR',
                "@timestamp": 'VARCHAR',
                eventSource: 'VARCHAR',
                eventName: 'VARCHAR',
                eventType: 'VARCHAR',
                eventCategory: 'VARCHAR',
                awsRegion: 'VARCHAR',
                recipientAccountId: 'VARCHAR',
                readOnly: 'VARCHAR',
                errorCode: 'VARCHAR',
                errorMessage: 'VARCHAR',
                sourceIPAddress: 'VARCHAR',
                userAgent: 'VARCHAR',
                userIdentity: 'STRUCT(
                    "type" VARCHAR, arn VARCHAR, "principalId" VARCHAR, "accountId" VARCHAR, "userName" VARCHAR,
                    "accessKeyId" VARCHAR, "invokedBy" VARCHAR,
                    "sessionContext" STRUCT(
                        "attributes" STRUCT("mfaAuthenticated" VARCHAR),
                        "sessionIssuer" STRUCT(arn VARCHAR, "type" VARCHAR),
                        "sourceIdentity" VARCHAR
                    )
                )',
                requestParameters: 'STRUCT(
                    "roleArn" VARCHAR, "keyId" VARCHAR, "bucketName" VARCHAR, "functionName" VARCHAR,
                    "userName" VARCHAR, "roleName" VARCHAR, "groupId" VARCHAR, "instanceId" VARCHAR,
                    "snapshotId" VARCHAR, "imageId" VARCHAR, "secretId" VARCHAR, "name" VARCHAR
                )',
                resources: 'STRUCT("ARN" VARCHAR)[]',
                responseElements: 'STRUCT("ConsoleLogin" VARCHAR)'
            }
        )
),

named as (
    select
        *,
        coalesce("eventTime", "@timestamp") as time_text,
        "userIdentity" as who,
        "userIdentity"."sessionContext" as session,
        "requestParameters" as asked
    from records
)

select
    -- nothing that an event has: no JSON, or not an event
    time_text is null and "eventID" is null and "eventName" is null and "eventSource" is null as is_malformed,
    "eventID" as event_id,
    time_text,
    "eventSource" as event_source,
    "eventName" as event_name,
    "eventType" as event_type,
    "eventCategory" as event_category,
    "awsRegion" as region,
    "recipientAccountId" as account,
    "readOnly" as read_only_text,
    "errorCode" as error_code,
    "errorMessage" as error_message,
    who."type" as actor_type,
    who.arn as actor_arn,
    who."principalId" as actor_principal,
    who."accountId" as actor_account,
    who."userName" as actor_user,
    who."accessKeyId" as actor_access_key,
    session."sessionIssuer".arn as actor_issuer_arn,
    session."sessionIssuer"."type" as actor_issuer_type,
    who."invokedBy" as actor_invoked_by,
    session."attributes"."mfaAuthenticated" as mfa,
    case
        when who."type" = 'AssumedRole' and session."sessionIssuer".arn is not null
            then
                case
                    when session."sourceIdentity" is not null
                        then session."sessionIssuer".arn || '#' || session."sourceIdentity"
                    -- people of IAM Identity Center share a role and are told apart by the session, which they cannot name
                    when contains(session."sessionIssuer".arn, '/AWSReservedSSO_')
                        then session."sessionIssuer".arn || '#' || split_part(who."principalId", ':', 2)
                    else session."sessionIssuer".arn
                end
        -- a role of another account, by its id; the session's name behind it changes from call to call
        when who."type" = 'AWSAccount' and who."principalId" like 'AROA%:%' then split_part(who."principalId", ':', 1)
        -- a pipeline is one principal whatever it builds: GitHub's subject ends in branch, tag or pull request
        when who."type" = 'WebIdentityUser'
            then regexp_replace(coalesce(who."principalId", who."userName"), ':(ref:|pull_request|environment:).*$', '')
        else coalesce(who.arn, who."principalId", who."invokedBy")
    end as principal,
    "sourceIPAddress" as source_text,
    "userAgent" as user_agent,
    coalesce(
        resources[1]."ARN",
        asked."roleArn", asked."keyId", asked."bucketName", asked."functionName", asked."userName", asked."roleName",
        asked."groupId", asked."instanceId", asked."snapshotId", asked."imageId", asked."secretId", asked."name"
    ) as resource,
    -- a sign-in that failed has no error code
    "errorCode" is not null or coalesce("responseElements"."ConsoleLogin" = 'Failure', false) as is_failure,
    "eventTime" is null and "@timestamp" is not null as has_other_time,
    who."type" is null as has_no_type,
    who.arn is null as has_no_arn,
    coalesce("readOnly" not in ('true', 'false'), false)
    or coalesce(left(who.arn, 1) in ('{', '['), false) as has_wrong_type,
    null::varchar as entry -- no delivery of CloudTrail wraps an event in another object
from named
