"""Settings say in one sentence what is wrong with a key or an address, and never show the key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from hamsa import HamsaSettings, Timeouts
from hamsa.settings import clean_api_key, clean_base_url


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HAMSA_API_KEY": "Token abc-123",
        "HAMSA_REGION": "uae",
        "HAMSA_READ_TIMEOUT_SECONDS": "12.5",
        "HAMSA_MAX_CONNECTIONS": "20",
        "HAMSA_BASE_URL": "",  # an empty variable is none
    }.items():
        monkeypatch.setenv(name, value)
    settings = HamsaSettings()
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "abc-123"
    assert settings.resolved_base_url == "https://api.uae.tryhamsa.com"
    assert settings.timeouts == Timeouts(read_seconds=12.5)
    assert settings.max_connections == 20
    assert "abc-123" not in repr(settings)


def test_a_base_url_wins_over_the_region() -> None:
    assert HamsaSettings().resolved_base_url == "https://api.tryhamsa.com"
    settings = HamsaSettings(region="uae", base_url="http://127.0.0.1:8765/")
    assert settings.resolved_base_url == "http://127.0.0.1:8765"


@pytest.mark.parametrize(
    "pasted",
    [
        *("abc-123", "Token abc-123", "token  abc-123", "  abc-123\n", '"abc-123"', "'Token abc-123'"),
        *("Authorization: Token abc-123", "Token Token abc-123", "Token 'abc-123'", "\tTOKEN\tabc-123"),
    ],
)
def test_a_key_is_found_in_whatever_was_pasted(pasted: str) -> None:
    assert clean_api_key(pasted) == clean_api_key(SecretStr(pasted)) == "abc-123"


@pytest.mark.parametrize("key", ["sk_live_0a1b2c", "0a1b2c3d-4e5f", "token-of-ours", "pkey", "ctx"])
def test_a_secret_key_is_taken_in_its_new_form_and_in_the_old_one(key: str) -> None:
    assert clean_api_key(key) == clean_api_key(f"Token {key}") == key


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        *(("", "empty"), ("   ", "empty"), ("Token", "empty"), ("Token ", "empty"), ('""', "empty")),
        *(("pk_hush", "begins with pk_, so it is a public key"), ("Token PK_hush", "public key")),
        *(("ct_hush", "begins with ct_, so it is a one-use token"), ("Token CT_hush", "one-use token")),
        *(("hu sh", "in one piece"), ("Bearer hush", "in one piece"), ("hush\r\nX: y", "in one piece")),
        *(("hüsh", "in one piece"), ("hush\u200b", "in one piece"), ("hu\x00sh", "in one piece")),
    ],
)
def test_what_cannot_be_a_key_is_refused_without_being_shown(pasted: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        clean_api_key(pasted)
    assert "hush" not in str(refused.value)
    assert refused.value.__context__ is None


@given(st.text())
def test_a_key_either_fits_into_a_header_or_is_refused(pasted: str) -> None:
    try:
        key = clean_api_key(pasted)
    except ValueError:
        return
    assert key.isascii()
    assert key.isprintable()
    assert " " not in key
    assert clean_api_key(key) == key


@pytest.mark.parametrize(
    ("given_url", "url"),
    [
        ("https://api.example.com", "https://api.example.com"),
        (" https://api.example.com/ ", "https://api.example.com"),
        ("https://api.example.com/v1/", "https://api.example.com"),
        ("https://gateway.example.com/hamsa", "https://gateway.example.com/hamsa"),
        *((url, url) for url in ("http://localhost:1", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:1")),
    ],
)
def test_an_address_is_tidied(given_url: str, url: str) -> None:
    assert clean_base_url(given_url) == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://api.tryhamsa.com", "must begin with https://"),
        ("http://localhost.example.com", "must begin with https://"),
        ("http://192.168.1.1:8765", "must begin with https://"),
        ("http://0.0.0.0:8765", "must begin with https://"),
        ("http://127.1", "must begin with https://"),
        ("api.tryhamsa.com", "absolute"),
        ("ftp://api.tryhamsa.com", "absolute"),
        ("https:///v1", "absolute"),
        ("https://api.example.com:99999", "not a URL"),
        ("https://me:hush@api.example.com", "user name"),
        ("https://api.example.com?key=hush", "leave out"),
        ("https://api.example.com#hush", "leave out"),
    ],
)
def test_an_address_that_would_give_the_key_away_is_refused_with_the_reason(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        clean_base_url(url)
    with pytest.raises(ValidationError, match=words) as refused:
        HamsaSettings(base_url=url)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("field", ["connect", "read", "write", "pool"])
@pytest.mark.parametrize("seconds", [0, -1, 10_000, float("nan"), float("inf")])
def test_timeouts_have_bounds(field: str, seconds: float) -> None:
    with pytest.raises(ValidationError):
        HamsaSettings(**{f"{field}_timeout_seconds": seconds})  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Timeouts(**{f"{field}_seconds": seconds})


def test_a_deadline_leaves_room_for_every_part_of_a_request() -> None:
    timeouts = Timeouts(connect_seconds=1, read_seconds=2, write_seconds=3, pool_seconds=4)
    assert timeouts.request_deadline_seconds == 1 + 1 + 2 + 3 + 4


def test_settings_and_timeouts_have_the_same_defaults() -> None:
    assert HamsaSettings().timeouts == Timeouts()


@pytest.mark.parametrize("model", [HamsaSettings, Timeouts])
def test_every_setting_is_described_in_a_sentence(model: type[HamsaSettings | Timeouts]) -> None:
    for name, field in model.model_fields.items():
        assert (field.description or "").endswith("."), name
