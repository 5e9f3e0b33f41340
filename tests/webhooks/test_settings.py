"""Settings: an open receiver is never opened to others, and what is wrong is said in a sentence without a secret."""

import re
import traceback
from pathlib import Path
from typing import Any

import pytest
from annotated_types import Interval, MaxLen, MinLen
from hypothesis import example, given
from hypothesis import strategies as st

from webhooks.settings import PREFIX, WebhookSettings, read_settings

ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - nothing is bound
SECRET = "a-secret-of-enough-characters"
HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "webhooks.md"


def read(monkeypatch: pytest.MonkeyPatch, **variables: object) -> WebhookSettings:
    environment = {PREFIX + name.upper(): str(value) for name, value in variables.items()}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return read_settings(environment)


def test_a_secret_is_all_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, auth_secret=f" {SECRET}\n")
    assert settings.authorizations == (f"Bearer {SECRET}",)
    assert settings.host == "127.0.0.1"
    assert settings.opt_out_fields == ("wants_no_more_calls",)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({}, "Set HAMSA_WEBHOOK_AUTH_SECRET to the secret that Hamsa sends"),
        ({"auth_secret": ""}, "Set HAMSA_WEBHOOK_AUTH_SECRET to the secret that Hamsa sends"),
        ({"auth_secret": "short"}, "HAMSA_WEBHOOK_AUTH_SECRET is too short"),
        ({"auth_secret": "with a blank in between"}, "HAMSA_WEBHOOK_AUTH_SECRET has a space"),
        ({"auth_secret": "with-an-ümlaut-in-it-somewhere"}, "HAMSA_WEBHOOK_AUTH_SECRET has a space or an unusual"),
        ({"auth_secret": SECRET, "auth_key": "Bearer token"}, "HAMSA_WEBHOOK_AUTH_KEY must be one word"),
        ({"auth_secret": SECRET, "without_auth": "true"}, "contradict each other"),
        ({"without_auth": "true", "host": ALL_ADDRESSES}, "WITHOUT_AUTH is for this machine alone"),
        ({"without_auth": "true", "host": "::"}, "WITHOUT_AUTH is for this machine alone"),
        ({"without_auth": "true", "host": "192.0.2.1"}, "WITHOUT_AUTH is for this machine alone"),
        ({"without_auth": "true", "host": "calls.example.com"}, "WITHOUT_AUTH is for this machine alone"),
        ({"auth_secret": SECRET, "port": "many"}, "HAMSA_WEBHOOK_PORT input should be a valid integer"),
        ({"auth_secret": SECRET, "max_body_bytes": "1"}, "HAMSA_WEBHOOK_MAX_BODY_BYTES input should be greater"),
        ({"auth_secret": SECRET, "ledger_url": "mysql://u:pw123456@h/d"}, "HAMSA_WEBHOOK_LEDGER_URL cannot be used"),
        ({"auth_secret": SECRET, "opt_out_fields": "[a"}, "HAMSA_WEBHOOK_OPT_OUT_FIELDS begins like a JSON list"),
        ({"auth_secret": SECRET, "secret": "x"}, "There is no setting HAMSA_WEBHOOK_SECRET"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_without_a_secret(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, object], why: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as error:
        read(monkeypatch, **variables)
    for secret in (SECRET, "short-one", "in between", "ümlaut", "pw123456"):
        assert secret not in str(error.value)
    assert error.value.__cause__ is None


def test_without_auth_it_is_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        assert read(monkeypatch, without_auth="yes", host=host).authorizations == ()


@pytest.mark.parametrize("names", ["refused, wants_no_more_calls,", '["refused", "wants_no_more_calls"]'])
def test_names_are_separated_by_commas_or_a_json_list(monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    settings = read(monkeypatch, auth_secret=SECRET, opt_out_fields=names, outcome_fields="promised_to_pay")
    assert settings.opt_out_fields == ("refused", "wants_no_more_calls")
    assert settings.outcome_fields == ("promised_to_pay",)


def test_no_secret_shows_in_the_settings_text(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, auth_secret=SECRET, ledger_url="postgresql://u:pw123456@h/d")
    assert SECRET not in repr(settings)
    assert "pw123456" not in repr(settings)


def test_every_setting_is_described_and_bounded() -> None:
    for name, field in WebhookSettings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        if field.annotation in (int, float):
            assert any(isinstance(bound, Interval) for bound in field.metadata) or {"Ge", "Le"} <= _bounds(field), name
        if field.annotation is str:
            assert any(isinstance(bound, MaxLen | MinLen) for bound in field.metadata), name


def test_every_setting_is_documented_as_it_is() -> None:
    rows = dict(re.findall(r"^\| `HAMSA_WEBHOOK_(\w+)` \| (.*) \|$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {name.upper(): f"{_default(field)} | {field.description}" for name, field in _fields()}


def _fields() -> list[tuple[str, Any]]:
    return list(WebhookSettings.model_fields.items())


def _default(field: Any) -> str:
    value = field.default
    if value is None or value == ():
        return ""
    if isinstance(value, tuple):
        value = ",".join(value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _bounds(field: Any) -> set[str]:
    return {type(bound).__name__ for bound in field.metadata}


WRITTEN = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
"""What a variable of the environment can hold."""
ANY_TEXT = st.one_of(
    WRITTEN,
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["[" * 100_000, "[" * 5000 + "]" * 5000, '["a"', '{"a": 1}', "9" * 5000, "-0", "1e999", "true", "∞"]
    ),
    st.builds("{}://u:{}@{}".format, st.sampled_from(["postgresql", "sqlite", "", "x"]), st.just(SECRET), WRITTEN),
)


@given(
    values=st.dictionaries(
        st.sampled_from(sorted({*WebhookSettings.model_fields} - {"spool_path"})), ANY_TEXT, max_size=5
    )
)
@example(values={"opt_out_fields": "[" * 100_000, "auth_secret": SECRET})
def test_whatever_the_variables_say_it_is_settings_or_a_sentence_without_a_secret(values: dict[str, str]) -> None:
    told = ""
    with pytest.MonkeyPatch.context() as patched:
        try:
            read(patched, **values)
        except ValueError as error:
            told = "".join(traceback.format_exception_only(error)) if error.__cause__ is None else "it has a cause"
    assert SECRET not in told
    assert told == "" or told.rstrip().endswith(".")
