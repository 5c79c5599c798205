"""Sigma rules of our own making for the benchmark of the scan: seeded, in the constructs that published rules use.

The first n of a larger set are the smaller set, so 57 and 570 rules are of one kind. What is measured on them is
`sigma_scan`; nothing here is meant to find an attacker.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SPACE = uuid.UUID("7d0c6a58-0b6f-5b0c-9a51-95c2d1b7a2f3")
LEVELS = ("low", "medium", "high")
EVERY = 19

# service, its verbs' objects: names as CloudTrail has them, rare and frequent ones
SERVICES: dict[str, tuple[str, ...]] = {
    "iam": (
        *("CreateAccessKey", "DeleteAccessKey", "UpdateAccessKey", "CreateUser", "DeleteUser", "CreateLoginProfile"),
        *("UpdateLoginProfile", "AttachUserPolicy", "AttachRolePolicy", "PutUserPolicy", "PutRolePolicy", "CreateRole"),
        *("UpdateAssumeRolePolicy", "AddUserToGroup", "CreatePolicyVersion", "DeactivateMFADevice", "ListUsers"),
        *("ListRoles", "GetUser", "GetRole", "ListAttachedUserPolicies", "CreateSAMLProvider", "UpdateSAMLProvider"),
    ),
    "ec2": (
        *("RunInstances", "StopInstances", "TerminateInstances", "DescribeInstances", "DescribeSnapshots"),
        *("ModifySnapshotAttribute", "ModifyImageAttribute", "CreateSnapshot", "AuthorizeSecurityGroupIngress"),
        *("RevokeSecurityGroupIngress", "CreateSecurityGroup", "DeleteFlowLogs", "CreateNetworkAclEntry"),
        *("DeleteNetworkAcl", "CreateRoute", "GetPasswordData", "GetConsoleOutput", "CreateKeyPair", "ImportKeyPair"),
        *("DisableEbsEncryptionByDefault", "ModifyInstanceAttribute", "DescribeVolumes", "DescribeVpcs"),
        *("DescribeInstanceAttribute", "CreateTrafficMirrorSession", "DescribeSecurityGroups", "CreateImage"),
    ),
    "s3": (
        *("GetObject", "PutObject", "DeleteObject", "ListBuckets", "PutBucketPolicy", "DeleteBucket", "CreateBucket"),
        *("PutBucketReplication", "PutBucketLifecycle", "DeleteBucketEncryption", "GetBucketAcl", "PutBucketAcl"),
        *("PutBucketLogging", "PutBucketVersioning", "DeleteBucketPolicy", "GetBucketPolicy", "HeadBucket"),
    ),
    "sts": ("AssumeRole", "AssumeRoleWithSAML", "GetCallerIdentity", "GetSessionToken", "GetFederationToken"),
    "kms": (
        "Decrypt",
        "GenerateDataKey",
        "DisableKey",
        "ScheduleKeyDeletion",
        "PutKeyPolicy",
        "CreateGrant",
        "Encrypt",
    ),
    "signin": ("ConsoleLogin", "SwitchRole", "GetSigninToken", "CheckMfa"),
    "cloudtrail": ("StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors", "DescribeTrails", "LookupEvents"),
    "guardduty": ("DeleteDetector", "UpdateDetector", "CreateIPSet", "StopMonitoringMembers", "ListFindings"),
    "config": ("DeleteConfigRule", "StopConfigurationRecorder", "DeleteDeliveryChannel", "DescribeConfigRules"),
    "secretsmanager": ("GetSecretValue", "BatchGetSecretValue", "PutResourcePolicy", "ListSecrets", "DeleteSecret"),
    "ssm": ("GetParameter", "GetParameters", "SendCommand", "StartSession", "DescribeInstanceInformation"),
    "lambda": ("CreateFunction20150331", "UpdateFunctionCode20150331v2", "AddPermission20150331v2", "Invoke"),
    "rds": (
        "ModifyDBInstance",
        "ModifyDBSnapshotAttribute",
        "DeleteDBCluster",
        "DescribeDBInstances",
        "CreateDBSnapshot",
    ),
    "logs": ("DeleteLogGroup", "DeleteLogStream", "CreateLogStream", "PutRetentionPolicy", "DescribeLogGroups"),
    "ecr": ("PutImage", "GetAuthorizationToken", "SetRepositoryPolicy", "DescribeRepositories"),
    "ecs": ("RegisterTaskDefinition", "RunTask", "UpdateService", "ExecuteCommand"),
    "eks": ("CreateCluster", "DeleteCluster", "UpdateClusterConfig", "DescribeCluster"),
    "route53": ("DisableDomainTransferLock", "TransferDomainToAnotherAwsAccount", "ChangeResourceRecordSets"),
    "elasticfilesystem": ("DeleteFileSystem", "DeleteMountTarget", "DescribeFileSystems"),
    "securityhub": ("BatchUpdateFindings", "DeleteInsight", "UpdateFindings", "DisableSecurityHub"),
    "organizations": ("LeaveOrganization", "CreateAccount", "DescribeOrganization", "InviteAccountToOrganization"),
    "ses": ("DeleteIdentity", "GetSendQuota", "VerifyEmailIdentity", "UpdateAccountSendingEnabled"),
    "bedrock": ("InvokeModel", "PutUseCaseForModelAccess", "ListFoundationModels", "CreateFoundationModelAgreement"),
    "glue": ("CreateDevEndpoint", "UpdateDevEndpoint", "GetTables", "DeleteDevEndpoint"),
    "dynamodb": ("Scan", "BatchGetItem", "ExportTableToPointInTime", "DescribeTable", "DeleteTable"),
    "sns": ("Subscribe", "Publish", "SetTopicAttributes", "GetSMSAttributes"),
    "sqs": ("SendMessage", "SetQueueAttributes", "PurgeQueue"),
    "cloudformation": ("CreateStack", "DeleteStack", "UpdateStack", "DescribeStacks"),
}
OPERATIONS = tuple((f"{service}.amazonaws.com", name) for service, names in SERVICES.items() for name in names)

# a second claim of a rule, on top of the operation: Sigma field with modifiers -> what it may say
BROAD: tuple[tuple[str, Any], ...] = (
    ("errorCode", None),
    ("userIdentity.type", ["IAMUser", "AssumedRole"]),
    ("userIdentity.sessionContext.attributes.mfaAuthenticated", "false"),
    ("userIdentity.sessionContext.sessionIssuer.type", "Role"),
    ("userIdentity.invokedBy", None),
    ("userAgent|contains", ["aws-cli", "Boto3", "python-requests"]),
    ("sourceIPAddress|cidr", ["10.0.0.0/8", "192.0.2.0/24"]),
    ("recipientAccountId|exists", True),
    ("requestParameters.userName|contains", ["admin", "root"]),
    ("requestParameters.bucketName|startswith", ["prod-", "backup-"]),
    ("requestParameters.attributeType", "launchPermission"),
    ("additionalEventData.MFAUsed", "NO"),
)
NARROW: tuple[tuple[str, Any], ...] = (
    ("errorCode|contains", ["ExplicitDeny", "Throttling"]),
    ("userIdentity.type", "Root"),
    ("userIdentity.arn|endswith", ":user/admin"),
    ("userIdentity.arn|contains", ["/ops-13", "/deploy-7"]),
    ("userAgent|startswith", "S3 Browser"),
    ("userAgent|re", r"(?i)kali|parrot|pentoo"),
    ("sourceIPAddress|cidr", ["198.51.100.16/30", "203.0.113.0/24"]),
    ("awsRegion", ["us-gov-west-1", "af-south-1"]),
    ("requestParameters.policyArn|endswith", "/PowerUserAccess/x"),
    ("requestParameters.bucketName", "prod-13"),
    ("requestParameters.roleArn|contains", "role/admin-7"),
    ("requestParameters.maxResults|gt", 1000),
    ("responseElements.ConsoleLogin", "Failure"),
    ("userIdentity.userName|fieldref", "requestParameters.userName"),
)
FREQUENT = {"GetObject": 0.30, "AssumeRole": 0.14, "Decrypt": 0.10, "DescribeInstances": 0.06, "PutObject": 0.05}
FILTERS: tuple[dict[str, Any], ...] = (
    {"userIdentity.invokedBy|endswith": ".amazonaws.com"},
    {"userAgent|contains": "cloudformation.amazonaws.com"},
    {"userIdentity.arn|contains": ["/ci-", ":assumed-role/AWSServiceRole"]},
    {"errorCode|exists": True},
    {"sourceIPAddress|cidr": "10.0.0.0/8"},
)
# rules that name no operation: three of 57, about the share in published sets
OPEN: tuple[dict[str, Any], ...] = (
    {"userIdentity.type": "Root", "eventType|contains": "Console"},
    {"errorMessage|contains": ["explicit deny", "service control policy"]},
    {"userAgent|contains": ["kali", "pacu", "s3browser"]},
    {"eventName|startswith": ["Delete", "Disable"], "userIdentity.arn|contains": "/ops-13"},
    {"eventName|contains": "Policy", "errorCode|contains": "Denied", "awsRegion": "ap-east-1"},
    {"sourceIPAddress|cidr": "198.51.100.0/26", "readOnly": "false"},
    {"eventSource|startswith": "iam", "eventName|re": "^(Create|Update).*(Profile|Key)$"},
    {"awsRegion": "ap-east-1", "readOnly": "false", "userIdentity.type": "Root"},
)


def rules(amount: int, seed: int = 57) -> Iterator[dict[str, Any]]:
    """The first `amount` rules of the set, each a Sigma document."""
    for number in range(amount):
        chance = random.Random(f"{seed}/{number}")
        document = _open(chance, number // EVERY) if number % EVERY == EVERY - 1 else _of_operations(chance)
        what = document["detection"]["selection"]
        yield {
            "title": f"Benchmark {number:03} {what.get('eventName') or 'any operation'}"[:110],
            "id": str(uuid.uuid5(SPACE, f"{seed}/{number}")),
            "status": "test",
            "description": "Made for the benchmark of the scan.",
            "logsource": {"product": "aws", "service": "cloudtrail"},
            **document,
            "level": chance.choice(LEVELS),
        }


def _of_operations(chance: random.Random) -> dict[str, Any]:
    source, name = chance.choice(OPERATIONS)
    siblings = [other for service, other in OPERATIONS if service == source and other != name]
    names: Any = [name, *chance.sample(siblings, min(2, len(siblings)))] if chance.random() < 0.3 else name
    # a rule that is kept says something rare about what happens all day
    is_frequent = bool(set(FREQUENT) & {name, *(names if isinstance(names, list) else ())})
    known = NARROW if is_frequent or chance.random() < 0.7 else BROAD
    claims = dict(chance.sample(known, chance.choice((1, 1, 1, 2))))
    detection: dict[str, Any] = {"selection": {"eventSource": source, "eventName": names}}
    if chance.random() < 0.5:
        detection["selection"] |= claims
        condition = "selection"
    else:
        detection |= {f"claim_{place}": {key: said} for place, (key, said) in enumerate(claims.items())}
        condition = f"selection and {chance.choice(('1', 'all'))} of claim_*"
    if chance.random() < 0.4:
        detection["filter"] = chance.choice(FILTERS)
        condition += " and not filter"
    return {"detection": detection | {"condition": condition}}


def _open(chance: random.Random, number: int) -> dict[str, Any]:
    selection = dict(OPEN[number % len(OPEN)])
    if number >= len(OPEN):  # later rounds look at another thing too
        key, said = chance.choice(NARROW)
        selection.setdefault(key, said)
    return {"detection": {"selection": selection, "condition": "selection"}}


def write(folder: Path, amount: int, seed: int = 57) -> Path:
    """One file a rule in `folder`, which is made; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, rule in enumerate(rules(amount, seed)):
        text = yaml.safe_dump(rule, sort_keys=False, allow_unicode=True, width=120)
        (folder / f"rule_{number:03}.yml").write_text(text, encoding="utf-8")
    return folder
