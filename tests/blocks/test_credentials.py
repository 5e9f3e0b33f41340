"""A key is taken as people paste it, and shown to nobody."""

import pickle
from typing import Any

import pytest

from blocks import HamsaCredentials
from blocks.checked import BlockError
from sandbox import Sandbox
from tests.sandbox_transport import SandboxTransport

KEY = "sk-4f1b9c7d2e"

PUBLIC_KEY = (
    "Hamsa Credentials: `api_key`: The Hamsa API key begins with pk_, so it is a public key for browsers, which cannot "
    "place calls: use a secret key of your Hamsa project."
)
PLAIN_HTTP = (
    "Hamsa Credentials: `base_url` must begin with https:// because a secret travels in its headers; plain http:// is "
    "for this machine only (localhost, 127.0.0.1, [::1])."
)


@pytest.mark.parametrize("pasted", [KEY, f"Token {KEY}", f" token {KEY}\n", f'"{KEY}"', f"Authorization: Token {KEY}"])
def test_a_key_is_taken_as_people_paste_it(pasted: str) -> None:
    assert HamsaCredentials(api_key=pasted).api_key.get_secret_value() == KEY


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"api_key": "pk_live_123"}, PUBLIC_KEY),
        ({}, "Hamsa Credentials: `api_key` is missing."),
        ({"api_key": ""}, "Hamsa Credentials: `api_key` is missing."),
        ({"api_key": KEY, "region": "us"}, "Hamsa Credentials: `region` should be 'eu' or 'uae'."),
        ({"api_key": KEY, "base_url": "http://api.example.com"}, PLAIN_HTTP),
        (
            {"api_key": KEY, "base_url": f"https://example.com/{'x' * 2048}"},
            "Hamsa Credentials: `base_url`: String should have at most 2048 characters.",
        ),
        (
            {"api_key": KEY, "read_timeout_seconds": 0},
            "Hamsa Credentials: `read_timeout_seconds` should be greater than or equal to 0.1.",
        ),
        (
            {"api_key": KEY, "read_timeout": 60},
            "Hamsa Credentials: there is no field `read_timeout`; perhaps `read_timeout_seconds` is meant.",
        ),
    ],
)
def test_wrong_input_is_one_sentence_that_says_what_to_do(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BlockError) as raised:
        HamsaCredentials(**fields)
    assert str(raised.value) == sentence


def test_the_error_and_what_led_to_it_do_not_hold_the_key_that_was_refused() -> None:
    with pytest.raises(BlockError) as raised:
        HamsaCredentials(api_key=f"{KEY} and more")
    assert KEY not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_the_error_crosses_processes() -> None:
    with pytest.raises(BlockError) as raised:
        HamsaCredentials(api_key="pk_live_123")
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)  # noqa: S301 - our own


def test_what_a_form_leaves_empty_means_the_default() -> None:
    credentials = HamsaCredentials(api_key=KEY, region=None, base_url="", read_timeout_seconds=None)
    assert credentials == HamsaCredentials(api_key=KEY)
    assert credentials.resolved_base_url == "https://api.tryhamsa.com"


def test_the_base_url_wins_over_the_region() -> None:
    assert HamsaCredentials(api_key=KEY, region="uae").resolved_base_url == "https://api.uae.tryhamsa.com"
    local = HamsaCredentials(api_key=KEY, region="uae", base_url="http://127.0.0.1:8765/v1/")
    assert local.resolved_base_url == "http://127.0.0.1:8765"


def test_nothing_that_prints_the_block_shows_the_key() -> None:
    credentials = HamsaCredentials(api_key=KEY)
    shown = [repr(credentials), str(credentials), str(credentials.model_dump()), credentials.model_dump_json()]
    assert not [text for text in shown if KEY in text]


async def test_the_client_lives_as_the_block_says_and_gets_in() -> None:
    sandbox = Sandbox(api_key=KEY)
    credentials = HamsaCredentials(
        api_key=KEY,
        connect_timeout_seconds=1,
        read_timeout_seconds=2,
        write_timeout_seconds=3,
        pool_timeout_seconds=4,
    ).use_transport(SandboxTransport(sandbox))
    async with credentials.get_client() as hamsa:
        assert hamsa.request_deadline_seconds == 4 + 2 * 1 + 3 + 2
        assert (await hamsa.get_project()).id
