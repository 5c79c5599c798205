"""What happens in the demo company's clouds besides every day's work: a stolen session, and what only looks like one.

Lantern's kit takes Mara's password on 12 March, one day after her second factor was taken off for a new phone; from
Brassworm's addresses someone signs in, takes her role, and comes back in the night to the 13th. How a day goes without
it is `audit_baseline.py`; addresses of the attackers come from `story.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import audit_baseline as usual
import audit_formats as audit
import audit_registers as registers
import story
from audit_baseline import COMMAND, CONSOLE, HOMES, OFFICE, at
from audit_formats import ACCOUNT, Event, Files
from story import march

ATTACKER = "203.0.113.119"  # one of Brassworm's six addresses from 11 March, exported since
ATTACKER_V6 = story.BRASSWORM_V6
PHISHING_SERVER = "198.51.100.88"  # serves Lantern's pages, and tries what it was told
ATTACKER_AGENT = "aws-cli/2.9 md/urllib3 os/linux exec-env/none command"
STOLEN_OBJECTS = 240  # in eight minutes; the backup reads 40 in seven
STOLEN_DECRYPTS = 160  # in five minutes; the shop decrypts twice an hour
EVERYONE = {"items": [{"cidrIp": "0.0.0.0/0"}]}
EVERYONE_V6 = {"items": [{"cidrIpv6": "::/0"}]}


def _by(name: str, moment: datetime, call: str, request: Any = None, source: str = "", **more: Any) -> Event:
    """A call by that person from where they work, signed with their lasting key."""
    who = audit.iam_user(name, key=audit.access_key("AKIA", name))
    place = source or usual.address_of(name, moment.date())
    return audit.cloudtrail(moment, who, call, source=place, agent=COMMAND, request=request, **more)


def _key_for(name: str, moment: datetime, user: str | None, who: Event, source: str, agent: str = COMMAND) -> Event:
    """CreateAccessKey; without `user` for oneself, where the request names nobody."""
    made = audit.access_key("AKIA", "made", user or name, moment)
    answer = {"accessKeyId": made, "status": "Active", "userName": user or name, "createDate": audit.stamp(moment)}
    request = {"userName": user} if user else None
    return audit.cloudtrail(
        moment, who, "iam:CreateAccessKey", source=source, agent=agent, request=request, response={"accessKey": answer}
    )


def _ticketed_key(moment: datetime, user: str) -> Event:
    who = audit.iam_user("jonas", key=audit.access_key("AKIA", "jonas"))
    return _key_for("jonas", moment, user, who, usual.address_of("jonas", moment.date()))


def _opening(moment: datetime, group: str, port: int, **ranges: Any) -> Event:
    permission = {"ipProtocol": "tcp", "fromPort": port, "toPort": port, "groups": {}, "prefixListIds": {}}
    ranges = {"ipRanges": {}, "ipv6Ranges": {}} | ranges
    request = {"groupId": group, "ipPermissions": {"items": [permission | ranges]}}
    return _by("jonas", moment, "ec2:AuthorizeSecurityGroupIngress", request, response={"_return": True})


def _sharing(account: str, verb: str = "add") -> dict[str, Any]:
    return {verb: {"items": [{"userId": account}]}}


# --- what only looks like an attack
def _first_week(day: date) -> Iterator[Event]:
    denied = ("AccessDenied", f"User: arn:aws:iam::{ACCOUNT}:user/tobias is not authorized to perform this action")
    if day == march(3):
        request = {
            "detectorId": "0abc0000000000000000000000000001",
            "enable": True,
            "findingPublishingFrequency": "ONE_HOUR",
        }
        yield _by("jonas", at(day, "09:30:00"), "guardduty:UpdateDetector", request)
        yield _by("tobias", at(day, "10:00:00"), "ec2:DescribeInstances", source="198.51.100.299")  # no such address
    if day == march(4):  # a rotation of keys, with a ticket
        yield _ticketed_key(at(day, "09:40:10"), "svc-backup")
        old = {"userName": "svc-backup", "accessKeyId": audit.access_key("AKIA", "svc-backup old")}
        yield _by("jonas", at(day, "09:52:00"), "iam:UpdateAccessKey", {**old, "status": "Inactive"})
        yield _by("jonas", at(day, "10:30:00"), "iam:DeleteAccessKey", old)
    if day == march(5):  # the yearly trial of the break-glass account, with a ticket
        yield from _root_use(at(day, "14:02:11"))
        policy = {"userName": "svc-etl", "policyArn": "arn:aws:iam::aws:policy/AmazonAthenaFullAccess"}
        yield _by("jonas", at(day, "11:15:00"), "iam:AttachUserPolicy", policy)
    if day == march(6):
        yield _by("tobias", at(day, "09:12:00"), "iam:CreateAccessKey", {"userName": "svc-metrics"}, error=denied)
        undone = {"snapshotId": "snap-0003", "attributeType": "CREATE_VOLUME_PERMISSION"}
        undone["createVolumePermission"] = _sharing(audit.FOREIGN_ACCOUNT, "remove")
        yield _by("jonas", at(day, "13:20:00"), "ec2:ModifySnapshotAttribute", undone)
        yield _opening(at(day, "13:45:00"), "sg-0022", 22, ipRanges={"items": [{"cidrIp": "198.51.100.0/26"}]})


def _root_use(start: datetime) -> Iterator[Event]:
    yield audit.console_login(start, audit.root(), OFFICE[1], CONSOLE, mfa=True)
    for n, call in enumerate(("iam:GetAccountSummary", "iam:ListMFADevices")):
        moment = start + timedelta(minutes=2 + n)
        yield audit.cloudtrail(moment, audit.root(), call, source=OFFICE[1], agent=CONSOLE, number=n)


def _second_week(day: date) -> Iterator[Event]:
    if day == march(9):
        yield _ticketed_key(at(day, "09:57:20"), "svc-mailer")  # its ticket begins at ten: clocks disagree by minutes
        yield _opening(at(day, "15:10:00"), "sg-0443", 443, ipRanges=EVERYONE)  # the shop's front, ticketed
    if day == march(10):
        yield _ticketed_key(at(day, "11:02:30"), "svc-batch")  # an hour after its ticket ended
        share = {"snapshotId": "snap-0007", "attributeType": "CREATE_VOLUME_PERMISSION"}
        share["createVolumePermission"] = _sharing(audit.ARCHIVE_ACCOUNT)  # our own second account
        yield _by("jonas", at(day, "13:30:00"), "ec2:ModifySnapshotAttribute", share)
        yield from _root_use(at(day, "17:40:05"))  # to change the billing contact; nobody wrote a ticket
    if day == march(11):
        device = {"userName": "mara", "serialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/mara"}
        yield _by("jonas", at(day, "14:20:00"), "iam:DeactivateMFADevice", device)  # a new phone
        session = audit.role_session("developer", "tobias", at(day, "10:00:00"), source_identity="tobias")
        for n in range(90):  # as many objects as an attacker, over three hours
            moment = at(day, "10:00:00") + timedelta(minutes=2 * n, seconds=n * 7 % 60)
            key = f"samples/{n:04}.json"
            yield usual.read_object(moment, session, usual.ORDERS_BUCKET, key, HOMES["tobias"])


# --- the stolen session
def _twelfth(day: date) -> Iterator[Event]:
    mara = audit.iam_user("mara")
    for n, clock in enumerate(("06:12:40", "06:13:05")):  # what the kit was told first was mistyped
        moment, why = at(day, clock), "Failed authentication"
        yield audit.console_login(moment, mara, PHISHING_SERVER, CONSOLE, mfa=False, error=why, number=n)
    start = at(day, "09:47:33")
    yield audit.console_login(start, mara, ATTACKER, CONSOLE, mfa=False)
    session = audit.iam_user("mara", key=audit.access_key("ASIA", "stolen", day), mfa=False, since=start)
    for n, call in enumerate(
        ("sts:GetCallerIdentity", "iam:ListUsers", "iam:ListAttachedUserPolicies", "s3:ListBuckets")
    ):
        moment = start + timedelta(minutes=n + 1)
        yield audit.cloudtrail(moment, session, call, source=ATTACKER, agent=ATTACKER_AGENT, number=n)
    yield usual.assume(
        at(day, "09:58:02"), "mara", "operations", ATTACKER, agent=ATTACKER_AGENT, key=session["accessKeyId"]
    )
    role = audit.role_session("operations", "mara", at(day, "09:58:02"), source_identity="mara")
    looks = (
        "iam:ListUsers",
        "s3:ListBuckets",
        "ec2:DescribeInstances",
        "cloudtrail:DescribeTrails",
        "ec2:DescribeSnapshots",
    )
    for n, call in enumerate(looks):
        moment = at(day, "10:00:00") + timedelta(minutes=n)
        yield audit.cloudtrail(moment, role, call, source=ATTACKER, agent=ATTACKER_AGENT, number=n)
    # a survey that everybody's buckets know
    yield audit.cloudtrail(
        at(day, "16:20:00"),
        {"type": "AWSAccount", "principalId": "", "accountId": "anonymous"},
        "s3:GetObject",
        source=story.SCANNER,
        agent="[watchtower-survey]",
        request={"bucketName": "intelsec-demo-www", "key": "index.html"},
        error=("AccessDenied", "Access Denied"),
    )
    denied = ("AccessDenied", f"User: arn:aws:iam::{ACCOUNT}:user/tobias is not authorized to perform this action")
    own = {"userName": "tobias", "policyArn": "arn:aws:iam::aws:policy/PowerUserAccess"}
    yield _by("tobias", at(day, "15:05:00"), "iam:AttachUserPolicy", own, error=denied)


def _thirteenth(day: date) -> Iterator[Event]:
    start = at(day, "00:58:20")
    yield audit.console_login(start, audit.iam_user("mara"), ATTACKER, CONSOLE, mfa=False)
    session = audit.iam_user("mara", key=audit.access_key("ASIA", "stolen", day), mfa=False, since=start)
    yield usual.assume(
        at(day, "01:05:10"), "mara", "operations", ATTACKER, agent=ATTACKER_AGENT, key=session["accessKeyId"]
    )
    role = audit.role_session("operations", "mara", at(day, "01:05:10"), source_identity="mara")

    def call(clock: str, what: str, request: Any, who: Event = role, source: str = ATTACKER, **more: Any) -> Event:
        return audit.cloudtrail(at(day, clock), who, what, source=source, agent=ATTACKER_AGENT, request=request, **more)

    yield _key_for("mara", at(day, "01:12:04"), "svc-reports", session, ATTACKER, ATTACKER_AGENT)
    yield _key_for("mara", at(day, "01:13:31"), None, session, ATTACKER, ATTACKER_AGENT)
    administrator = {"userName": "mara", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    yield call("01:16:15", "iam:AttachUserPolicy", administrator, session)
    trail = f"arn:aws:cloudtrail:{audit.HOME_REGION}:{ACCOUNT}:trail/workload-trail"
    yield call("01:20:40", "cloudtrail:StopLogging", {"name": trail})
    unwatched = {"trailName": trail, "eventSelectors": [{"readWriteType": "WriteOnly", "dataResources": []}]}
    yield call("01:21:55", "cloudtrail:PutEventSelectors", unwatched)
    detector = {"detectorId": "0abc0000000000000000000000000001", "enable": False}
    yield call("01:24:09", "guardduty:UpdateDetector", detector)
    for n in range(STOLEN_OBJECTS):
        moment, key = at(day, "01:30:00") + timedelta(seconds=2 * n), f"2026-03-12/customers-{n:04}.csv"
        yield usual.read_object(moment, role, usual.EXPORTS_BUCKET, key, ATTACKER, ATTACKER_AGENT)
    for n in range(STOLEN_DECRYPTS):
        moment = at(day, "01:44:00") + timedelta(seconds=n * 300 // STOLEN_DECRYPTS)
        yield usual.decrypt(moment, role, usual.EXPORTS_KEY, ATTACKER, n, ATTACKER_AGENT)
    snapshot = {"snapshotId": "snap-0009", "attributeType": "CREATE_VOLUME_PERMISSION"}
    snapshot["createVolumePermission"] = _sharing(audit.FOREIGN_ACCOUNT)
    yield call("02:05:12", "ec2:ModifySnapshotAttribute", snapshot, response={"_return": True})
    image = {"imageId": "ami-0002", "attributeType": "launchPermission"}
    image["launchPermission"] = _sharing(audit.FOREIGN_ACCOUNT)
    yield call("02:07:48", "ec2:ModifyImageAttribute", image, response={"_return": True})
    rule = {
        "ipProtocol": "tcp",
        "fromPort": 22,
        "toPort": 22,
        "groups": {},
        "ipRanges": EVERYONE,
        "ipv6Ranges": EVERYONE_V6,
    }
    opened = {"groupId": "sg-0022", "ipPermissions": {"items": [rule | {"prefixListIds": {}}]}}
    yield call("02:15:30", "ec2:AuthorizeSecurityGroupIngress", opened, source=ATTACKER_V6, response={"_return": True})
    yield _ticketed_key(at(day, "10:05:00"), "svc-etl")  # a colleague's, the same day, with a ticket


def _last_days(day: date) -> Iterator[Event]:
    if day == march(14):
        key = audit.access_key("AKIA", "made", "svc-reports", at(march(13), "01:12:04"))
        source = story.BRASSWORM_RETURNING
        yield usual.assume(at(day, "03:10:44"), "svc-reports", "analyst-batch", source, agent=ATTACKER_AGENT, key=key)
        name = f"arn:aws:cloudtrail:{audit.HOME_REGION}:{ACCOUNT}:trail/workload-trail"
        yield _by("jonas", at(day, "07:30:00"), "cloudtrail:StartLogging", {"name": name})
        detector = {"detectorId": "0abc0000000000000000000000000001", "enable": True}
        yield _by("jonas", at(day, "07:33:00"), "guardduty:UpdateDetector", detector)
        yield _by("jonas", at(day, "07:36:00"), "iam:DeleteAccessKey", {"userName": "svc-reports", "accessKeyId": key})
        yield _by("jonas", at(day, "07:38:00"), "iam:DeleteLoginProfile", {"userName": "mara"})
    if day == march(15):  # after the register of tickets was last written
        yield _ticketed_key(at(day, "16:30:00"), "svc-mailer")


def aws_day(day: date) -> list[Event]:
    """CloudTrail of the day: what is usual and what is not."""
    events = [*usual.aws_day(day), *_first_week(day), *_second_week(day), *_last_days(day)]
    if day == march(12):
        events += _twelfth(day)
    if day == march(13):
        events += _thirteenth(day)
    return events


# --- how it was delivered
def _delivered() -> Files:
    """Log files of all days; one comes twice, one two days late, one cut off."""
    found: Files = {}
    for day in story.DAYS:
        files = audit.trail_files(aws_day(day))
        if day == march(4):  # at least once: the same file under a second name
            path = next(path for path in files if audit.GLOBAL_REGION in path and "T1205Z" in path)
            files[audit.trail_file_name(audit.GLOBAL_REGION, at(day, "12:05:00"), "again")] = files[path]
        if day == march(8):
            path = max(path for path in files if audit.HOME_REGION in path)
            files[path] = files[path][: len(files[path]) // 2]
        found |= files | audit.digest_file(files, at(day, "23:59:59"))
    stopped = _by("jonas", at(march(7), "22:10:00"), "cloudtrail:StopLogging", {"name": "staging-trail"})
    late = [stopped, _by("jonas", at(march(7), "22:14:00"), "cloudtrail:DescribeTrails")]
    return found | {audit.trail_file_name(audit.HOME_REGION, at(march(9), "08:05:00"), "late"): audit.trail_bytes(late)}


def files() -> Files:
    """Every file of the audit logs and what stands beside them: path below samples/data -> content."""
    found = registers.files() | {f"audit/aws/{path}": content for path, content in _delivered().items()}
    for day in story.DAYS:
        start = at(day, "00:00:00")
        entries = audit.gcp_files(list(usual.gcp_day(day)), start)
        records = audit.azure_files(list(usual.azure_day(day)), start, wrapped=day == march(11))
        found |= {f"audit/gcp/{path}": content for path, content in entries.items()}
        found |= {f"audit/azure/{path}": content for path, content in records.items()}
    return found
