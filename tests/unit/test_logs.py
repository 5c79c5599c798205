"""Logs show events with their fields and no secret, wherever it stands.

Which events there are is tested where they happen.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def logged(form: str, env: dict[str, str], credentials: tuple[str, ...] = (), **fields: object) -> str:
    stream = io.StringIO()
    logs.configure(env={"INTELSEC_LOG": form, **env}, credentials=credentials, stream=stream)
    structlog.get_logger().info("feed_read", **fields)
    return stream.getvalue()


def test_an_event_is_a_line_of_keys_and_values_for_people() -> None:
    line = logged("", {}, feed="tweetfeed", rows=12, title="two words")

    assert line.startswith("timestamp=2")
    assert "level=info event=feed_read" in line
    assert "feed=tweetfeed" in line
    assert "rows=12" in line
    assert 'title="two words"' in line
    assert line.count("\n") == 1


def test_an_event_is_a_json_line_for_machines() -> None:
    event = json.loads(logged("json", {}, feed="tweetfeed", rows=12, note="zwei\nzeilen 邮"))

    assert (event["event"], event["level"], event["rows"]) == ("feed_read", "info", 12)
    assert event["note"] == "zwei\nzeilen 邮"
    assert event["timestamp"].endswith("Z")


def test_another_form_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="INTELSEC_LOG=xml: choose text or json"):
        logs.configure(env={"INTELSEC_LOG": "xml"})


@pytest.mark.parametrize(
    "name",
    ["key", "auth_key", "Auth-Key", "apiKey", "api_key", "token", "access_token", "password", "PGPASSWORD",
     "client_secret", "Authorization", "Set-Cookie"],
)  # fmt: skip
def test_a_field_whose_name_says_secret_is_hidden_at_any_depth(name: str) -> None:
    assert "tr0ub4dor" not in logged("json", {}, **{name: "tr0ub4dor"})
    assert "tr0ub4dor" not in logged("json", {}, request={"headers": [{name: ["tr0ub4dor"]}]})


@pytest.mark.parametrize("name", ["keyword", "monkey", "rows", "keystone"])
def test_a_field_with_a_harmless_name_is_shown(name: str) -> None:
    assert json.loads(logged("json", {}, **{name: "shown"}))[name] == "shown"


def test_the_value_of_a_feeds_credential_is_hidden_wherever_it_stands() -> None:
    env = {"FEED_ACCESS": "hunter2hunter2", "INTELSEC_MISP_KEY": "sesame-open"}
    line = logged("", env, ("FEED_ACCESS",), url="https://x/?a=hunter2hunter2", error=RuntimeError("bad sesame-open"))

    assert "hunter2" not in line
    assert "sesame" not in line
    assert "https://x/?a=***" in line


def test_a_credential_that_is_not_set_or_too_short_to_be_one_hides_nothing() -> None:
    assert "rows of day 2" in logged("", {"A_KEY": "", "B_KEY": "o"}, ("C",), note="rows of day 2")


def test_the_password_in_an_address_is_hidden() -> None:
    line = logged("", {}, store="postgresql://intelsec:pa:ss@db:5432/x and https://user:pw@h/")

    assert "pa:ss" not in line
    assert "pw@" not in line
    assert "postgresql://intelsec:***@db:5432/x and https://user:***@h/" in line


def test_a_secret_in_a_traceback_is_hidden() -> None:
    stream = io.StringIO()
    logs.configure(env={"X_TOKEN": "hunter2hunter2"}, stream=stream)
    try:
        raise RuntimeError("server said: hunter2hunter2 is not valid")
    except RuntimeError:
        structlog.get_logger().exception("export_failed")

    assert "server said: *** is not valid" in stream.getvalue()
    assert "hunter2hunter2 is" not in stream.getvalue()


def test_a_value_cannot_forge_a_second_line() -> None:
    line = logged("", {}, **{"raw value": 'x"\nlevel=error event=forged'})

    assert line.count("\n") == 1


@given(secret=st.text("0123456789", min_size=6), before=st.text("abc \n"), after=st.text("abc \n"))
def test_a_known_secret_is_hidden_inside_any_text(secret: str, before: str, after: str) -> None:
    redacted = logs.Redaction([secret[:-1], secret])(None, "info", {"event": before + secret + after})

    assert redacted == {"event": f"{before}***{after}"}
