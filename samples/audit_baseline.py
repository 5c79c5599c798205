"""An ordinary day in the clouds of the demo company: its people, its build roles, its backup, the services behind them.

What is not ordinary is `audit_story.py`; how events are spelled is `audit_formats.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import audit_formats as audit
import story
from audit_formats import ACCOUNT, Event
from story import march

# --- where people and machines call from; who holds these networks is in `audit_registers.py`
OFFICE = ("198.51.100.14", "198.51.100.15", "2001:db8:100::14")
HOMES = {
    "mara": "198.51.100.131",
    "jonas": "198.51.100.144",
    "tobias": "198.51.100.158",
    "priya": "2001:db8:200::58",
    "lena": "198.51.100.171",
}
PHONE = "198.51.100.203"
HOTEL = "203.0.113.231"
BUILD_RUNNERS = ("203.0.113.196", "203.0.113.203", "203.0.113.210")
ORDERS_HOST = "10.20.3.15"  # inside: its calls come through an endpoint of the private network

CONSOLE = "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0"
COMMAND = "aws-cli/2.24 md/awscrt os/linux exec-env/none command"
SDK = "Boto3/1.36 md/Botocore os/linux lang/python"
BUILD = "APN/1.0 HashiCorp/1.0 Terraform/1.9 terraform-provider-aws/5.84"

ORDERS_KEY = f"arn:aws:kms:{audit.HOME_REGION}:{ACCOUNT}:key/00000000-aaaa-4bbb-8ccc-000000000001"
EXPORTS_KEY = f"arn:aws:kms:{audit.HOME_REGION}:{ACCOUNT}:key/00000000-aaaa-4bbb-8ccc-000000000002"
EXPORTS_BUCKET, ORDERS_BUCKET, BACKUP_BUCKET = (
    f"intelsec-demo-{name}" for name in ("customer-exports", "orders", "backup")
)
BACKUP_OBJECTS = 40  # read every night by the backup: many, and fewer than an attacker takes


@dataclass(frozen=True)
class Person:
    """Someone with an IAM user: the role they work in, the weekdays (Monday = 0) at home, their first day."""

    name: str
    role: str
    at_home: tuple[int, ...]
    joined: date = story.FIRST_DAY


PEOPLE = (
    Person("mara", "operations", (1, 3)),
    Person("jonas", "operations", (2, 4)),
    Person("tobias", "developer", (0, 2)),
    Person("priya", "analyst", (1, 2)),
    Person("lena", "analyst", (), march(11)),
)
# in Priya's days abroad the hotel's network stands in the place of home and office
ABROAD = {("priya", march(day)) for day in (9, 10, 11)}


def at(day: date, clock: str) -> datetime:
    """`HH:MM:SS` of the day, UTC."""
    hour, minute, second = map(int, clock.split(":"))
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)


def address_of(name: str, day: date) -> str:
    """Where that person works on that day."""
    person = next(person for person in PEOPLE if person.name == name)
    if (name, day) in ABROAD:
        return HOTEL
    if day.weekday() in person.at_home or name == "lena":
        return HOMES[name]
    return OFFICE[PEOPLE.index(person) % len(OFFICE)]


def read_object(moment: datetime, who: Event, bucket: str, key: str, source: str, agent: str = SDK) -> Event:
    """GetObject of one object."""
    return audit.cloudtrail(
        moment,
        who,
        "s3:GetObject",
        source=source,
        agent=f"[{agent}]",
        request={"bucketName": bucket, "Host": f"{bucket}.s3.{audit.HOME_REGION}.amazonaws.com", "key": key},
        resources=(("AWS::S3::Object", f"arn:aws:s3:::{bucket}/{key}"), ("AWS::S3::Bucket", f"arn:aws:s3:::{bucket}")),
    )


def decrypt(moment: datetime, who: Event, key: str, source: str, number: int, agent: str = SDK) -> Event:
    """KMS Decrypt with one key."""
    return audit.cloudtrail(
        moment,
        who,
        "kms:Decrypt",
        source=source,
        agent=agent,
        request={"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "keyId": key},
        resources=(("AWS::KMS::Key", key),),
        number=number,
    )


def assume(
    moment: datetime, name: str, role: str, source: str, *, agent: str = COMMAND, key: str | None = None
) -> Event:
    """AssumeRole by an IAM user, with its own name as session and source identity."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    session = audit.role_session(role, name, moment, source_identity=name)
    return audit.cloudtrail(
        moment,
        audit.iam_user(name, key=key or audit.access_key("AKIA", name)),
        "sts:AssumeRole",
        source=source,
        agent=agent,
        request={"roleArn": arn, "roleSessionName": name, "sourceIdentity": name},
        response={
            "credentials": {
                "accessKeyId": session["accessKeyId"],
                "expiration": audit.stamp(moment + timedelta(0, 3600)),
            },
            "assumedRoleUser": {"assumedRoleId": session["principalId"], "arn": session["arn"]},
            "sourceIdentity": name,
        },
        resources=(("AWS::IAM::Role", arn),),
    )


def _working_day(person: Person, day: date) -> Iterator[Event]:
    """Sign-in with a second factor, a role, some reading, now and then a change."""
    source, chance = address_of(person.name, day), story.stream("audit", person.name, day)
    start = at(day, f"0{chance.randint(7, 8)}:{chance.randint(5, 55):02}:{chance.randint(0, 59):02}")
    signed_in = audit.iam_user(person.name)
    reset = person.name == "mara" and day == march(12)  # a new phone: see audit_story
    yield audit.console_login(start, signed_in, source, CONSOLE, mfa=not reset and person.name != "lena")
    key = audit.access_key("ASIA", person.name, day)
    session = audit.iam_user(person.name, key=key, mfa=not reset, since=start)
    for n, call in enumerate(("ec2:DescribeInstances", "s3:ListBuckets", "cloudwatch:DescribeAlarms")):
        moment = start + timedelta(seconds=40 + 31 * n)
        yield audit.cloudtrail(moment, session, call, source=source, agent=CONSOLE, number=n)
    if (person.name, day) not in ABROAD or day == march(9) or day == march(11):
        yield from _role_work(person, day, start + timedelta(minutes=chance.randint(20, 90)), source)
    if chance.random() < 0.5:  # what the console does in someone's name comes from no address
        yield audit.cloudtrail(
            start + timedelta(seconds=41),
            {**session, "invokedBy": "AWS Internal"},
            "s3:GetStorageLensConfiguration",
            source="AWS Internal",
            agent="AWS Internal",
        )


def _role_work(person: Person, day: date, start: datetime, source: str) -> Iterator[Event]:
    yield assume(start, person.name, person.role, source)
    session = audit.role_session(person.role, person.name, start, source_identity=person.name)
    calls = {
        "operations": ("ec2:DescribeInstances", "ec2:DescribeSnapshots", "iam:ListUsers", "cloudtrail:GetTrailStatus"),
        "developer": ("lambda:ListFunctions20150331", "logs:DescribeLogGroups", "lambda:GetFunction20150331v2"),
        "analyst": ("athena:GetQueryExecution", "athena:StartQueryExecution", "glue:GetTables"),
    }[person.role]
    chance = story.stream("audit role", person.name, day)
    for n in range(chance.randint(4, 8)):
        moment = start + timedelta(minutes=4 * n + 2, seconds=chance.randint(0, 59))
        yield audit.cloudtrail(moment, session, chance.choice(calls), source=source, agent=COMMAND, number=n)
    if person.role == "analyst":
        for n in range(6):
            moment = start + timedelta(minutes=9 * n + 3, seconds=chance.randint(0, 59))
            yield read_object(moment, session, ORDERS_BUCKET, f"reports/{day}/part-{n:03}.json", source)


def _backup(day: date) -> Iterator[Event]:
    """Every night at 01:30 a role reads forty objects in seven minutes, and decrypts half of them."""
    start, source = at(day, "01:30:05"), OFFICE[0]
    yield assume(start, "svc-backup", "backup-nightly", source, agent=SDK)
    session = audit.role_session("backup-nightly", "svc-backup", start, source_identity="svc-backup")
    for n in range(BACKUP_OBJECTS):
        moment = start + timedelta(seconds=10 * n + 15)
        yield read_object(moment, session, EXPORTS_BUCKET, f"{day - timedelta(1)}/customers-{n:04}.csv", source)
        if n % 2 == 0:
            yield decrypt(moment, {**session, "invokedBy": "AWS Internal"}, EXPORTS_KEY, "AWS Internal", n)


def _orders(day: date) -> Iterator[Event]:
    """The shop's machine decrypts at a steady rate, day and night, through the private network."""
    session = audit.role_session("app-orders", "i-0abc0000000000001", at(day, "00:00:00"))
    chance = story.stream("audit orders", day)
    for n in range(48):
        moment = at(day, "00:00:00") + timedelta(minutes=30 * n + chance.randint(0, 24), seconds=chance.randint(0, 59))
        yield decrypt(moment, session, ORDERS_KEY, ORDERS_HOST, n)
        if n % 4 == 0:
            yield read_object(moment, session, ORDERS_BUCKET, f"queue/{day}/{n:03}.json", ORDERS_HOST)


def _builds(day: date) -> Iterator[Event]:
    """Deployments: a web identity becomes the role ci-deploy, from one of the runners."""
    chance = story.stream("audit builds", day)
    for n in range(chance.randint(3, 5)):
        start = at(day, f"{9 + 2 * n:02}:{chance.randint(0, 59):02}:{chance.randint(0, 59):02}")
        source, arn = chance.choice(BUILD_RUNNERS), f"arn:aws:iam::{ACCOUNT}:role/ci-deploy"
        pipeline = {
            "type": "WebIdentityUser",
            "principalId": "ci.intelsec-demo.example:project:shop",
            "userName": "project:shop:ref:main",
            "identityProvider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/ci.intelsec-demo.example",
        }
        yield audit.cloudtrail(
            start,
            pipeline,
            "sts:AssumeRoleWithWebIdentity",
            source=source,
            agent=BUILD,
            request={"roleArn": arn, "roleSessionName": f"deploy-{n}"},
            resources=(("AWS::IAM::Role", arn),),
        )
        session = audit.role_session("ci-deploy", f"deploy-{n}", start)
        calls = (
            "ec2:DescribeVpcs",
            "lambda:GetFunction20150331v2",
            "lambda:UpdateFunctionCode20150331v2",
            "iam:GetRole",
        )
        for i, call in enumerate(calls):
            moment = start + timedelta(seconds=7 * i + 5)
            yield audit.cloudtrail(moment, session, call, source=source, agent=BUILD, number=i)


def _services(day: date) -> Iterator[Event]:
    """Services that write logs, and take their own roles: no ARN, and a name where an address should be."""
    for n in range(24):
        moment = at(day, f"{n:02}:05:{(n * 7) % 60:02}")
        key = f"AWSLogs/{ACCOUNT}/CloudTrail/{audit.HOME_REGION}/{day:%Y/%m/%d}/{n:02}"
        yield audit.cloudtrail(
            moment,
            audit.service("cloudtrail"),
            "s3:PutObject",
            source="cloudtrail.amazonaws.com",
            agent="cloudtrail.amazonaws.com",
            request={"bucketName": "intelsec-demo-trail", "key": key, "x-amz-acl": "bucket-owner-full-control"},
            resources=(("AWS::S3::Object", f"arn:aws:s3:::intelsec-demo-trail/{key}"),),
            sharedEventID=audit.wire.stable_uuid("shared", day, n),
        )
    for n, name in enumerate(("ec2", "config", "ec2", "lambda")):
        yield audit.cloudtrail(
            at(day, f"{4 + 5 * n:02}:17:30"),
            audit.service(name),
            "sts:AssumeRole",
            source=f"{name}.amazonaws.com",
            agent=f"{name}.amazonaws.com",
            request={
                "roleArn": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{name}.amazonaws.com/AWSServiceRole",
                "roleSessionName": f"{name}-session",
            },
        )
    if day.weekday() == 2:  # an identity without a type
        yield audit.cloudtrail(
            at(day, "03:12:44"),
            {"accountId": ACCOUNT, "invokedBy": "delivery.logs.amazonaws.com"},
            "kms:GenerateDataKey",
            source="delivery.logs.amazonaws.com",
            agent="delivery.logs.amazonaws.com",
            request={"keyId": ORDERS_KEY, "keySpec": "AES_256"},
        )


def _reports(day: date) -> Iterator[Event]:
    """A service user that starts a query every morning with a lasting key."""
    source = OFFICE[1]
    yield assume(at(day, "05:00:07"), "svc-reports", "analyst-batch", source, agent=SDK)
    session = audit.role_session("analyst-batch", "svc-reports", at(day, "05:00:07"), source_identity="svc-reports")
    yield audit.cloudtrail(at(day, "05:00:19"), session, "athena:StartQueryExecution", source=source, agent=SDK)


def aws_day(day: date) -> Iterator[Event]:
    """CloudTrail of an ordinary day."""
    yield from _backup(day)
    yield from _orders(day)
    yield from _services(day)
    yield from _reports(day)
    if day.weekday() < 5:
        for person in PEOPLE:
            if day >= person.joined:
                yield from _working_day(person, day)
        yield from _builds(day)


def gcp_day(day: date) -> Iterator[Event]:
    """A few calls in the company's Google project: the warehouse, and the service that loads it."""
    loader = f"loader@{audit.PROJECT}.iam.gserviceaccount.com"
    tables = f"projects/{audit.PROJECT}/datasets/sales/tables/orders"
    for clock in ("02:10:00", "14:10:00"):
        yield audit.gcp_entry(
            at(day, clock), loader, "google.cloud.bigquery.v2.JobService.InsertJob", tables,
            service_name="bigquery.googleapis.com", caller="private",
        )  # fmt: skip
    if day.weekday() < 5:
        yield audit.gcp_entry(
            at(day, "09:41:12"), f"priya@{story.OWN_DOMAIN}", "google.cloud.bigquery.v2.TableService.GetTable", tables,
            service_name="bigquery.googleapis.com", caller=address_of("priya", day),
        )  # fmt: skip
    if day == march(5):
        account = f"projects/{audit.PROJECT}/serviceAccounts/{loader}"
        yield audit.gcp_entry(
            at(day, "10:20:31"), f"jonas@{story.OWN_DOMAIN}", "google.iam.admin.v1.CreateServiceAccountKey", account,
            service_name="iam.googleapis.com", caller=address_of("jonas", day),
        )  # fmt: skip


def azure_day(day: date) -> Iterator[Event]:
    """A few calls in the company's Azure subscription: a test machine started and stopped, a rule that is refused."""
    machine = "TEST/PROVIDERS/MICROSOFT.COMPUTE/VIRTUALMACHINES/TEST-1"
    if day.weekday() < 5:
        who, source = f"tobias@{story.OWN_DOMAIN}", address_of("tobias", day)
        for clock, verb in (("08:30:10", "start"), ("16:58:44", "deallocate")):
            yield audit.azure_record(
                at(day, clock), who, f"Microsoft.Compute/virtualMachines/{verb}/action", machine, caller=source
            )
    if day == march(10):
        group = "TEST/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/TEST/SECURITYRULES/ANY"
        yield audit.azure_record(
            at(day, "11:02:03"), f"tobias@{story.OWN_DOMAIN}",
            "Microsoft.Network/networkSecurityGroups/securityRules/write", group,
            caller=address_of("tobias", day), result="Failure",
        )  # fmt: skip
