"""Who a caller is across sessions: what his history of networks is kept by."""

from __future__ import annotations

from typing import Any

import pytest

from tests.audit_logs import event, rows, wrapped

SSO = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0f"


def principal(**identity: Any) -> str | None:
    (row,) = rows(wrapped([event(1, userIdentity=identity)]))
    return row["principal"]  # type: ignore[no-any-return]


def session(issuer: str, name: str) -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{name}",
        "arn": f"arn:aws:sts::111122223333:assumed-role/x/{name}",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": issuer, "principalId": "AROAEXAMPLE"}},
    }


def test_a_role_is_one_principal_whatever_its_sessions_are_called() -> None:
    role = "arn:aws:iam::111122223333:role/deploy"

    assert principal(**session(role, "a")) == principal(**session(role, "b")) == role


def test_people_who_share_a_role_of_identity_center_are_told_apart() -> None:
    assert principal(**session(SSO, "ada@example.com")) == f"{SSO}#ada@example.com"


def test_a_role_of_another_account_is_one_principal() -> None:
    called = [principal(type="AWSAccount", principalId=f"AROAOTHER:{n}", accountId="222233334444") for n in ("a", "b")]

    assert called == ["AROAOTHER", "AROAOTHER"]


@pytest.mark.parametrize("ref", ["ref:refs/heads/f-1", "pull_request", "environment:prod"])
def test_a_pipeline_is_one_principal_whatever_it_builds(ref: str) -> None:
    provider = "arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com:sts.amazonaws.com:repo:org/app"

    assert principal(type="WebIdentityUser", principalId=f"{provider}:{ref}") == provider
