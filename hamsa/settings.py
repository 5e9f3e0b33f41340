"""Where Hamsa is, how one gets in and how long one waits: from the environment (`HAMSA_…`) or from code.

What is wrong with a key or an address is said here, in one sentence and before anything is sent, and never by showing
the key.
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hamsa.urls import split_safe_url

EU = "https://api.tryhamsa.com"
UAE = "https://api.uae.tryhamsa.com"
REGION_URLS = {"eu": EU, "uae": UAE}

ConnectSeconds = Annotated[
    float, Field(ge=0.1, le=60, description="Seconds to wait for a connection; nothing was sent when it runs out.")
]
ReadSeconds = Annotated[
    float,
    Field(ge=0.1, le=300, description="Seconds to wait for an answer; a call whose answer is late becomes uncertain."),
]
WriteSeconds = Annotated[float, Field(ge=0.1, le=60, description="Seconds to wait while sending a request.")]
PoolSeconds = Annotated[
    float,
    Field(ge=0.1, le=300, description="Seconds to wait for a free connection; nothing was sent when it runs out."),
]


class Timeouts(BaseModel):
    """How long each part of a request may take, in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect_seconds: ConnectSeconds = 5.0
    read_seconds: ReadSeconds = 30.0
    write_seconds: WriteSeconds = 10.0
    pool_seconds: PoolSeconds = 10.0

    @property
    def request_deadline_seconds(self) -> float:
        """The longest that one request can live in all: waiting, connecting (TCP, then TLS), sending and reading."""
        return self.pool_seconds + 2 * self.connect_seconds + self.write_seconds + self.read_seconds


class HamsaAccess(BaseModel):
    """The way into a Hamsa project. `HamsaSettings` and the credentials block of Prefect are built on it."""

    api_key: SecretStr | None = Field(
        default=None,
        title="API key",
        description="Secret key of the Hamsa project, with or without the word Token before; no pk_ key or ct_ token.",
    )
    region: Literal["eu", "uae"] = Field(
        default="eu", title="Region", description="The region in which the Hamsa account lives."
    )
    base_url: str | None = Field(
        default=None,
        title="Base URL",
        description="Address of the API, where it is not the region's: https, or plain http to this machine only.",
    )
    connect_timeout_seconds: ConnectSeconds = Field(default=5.0, title="Time to connect (seconds)")
    read_timeout_seconds: ReadSeconds = Field(default=30.0, title="Time to answer (seconds)")
    write_timeout_seconds: WriteSeconds = Field(default=10.0, title="Time to send (seconds)")
    pool_timeout_seconds: PoolSeconds = Field(default=10.0, title="Time to get a connection (seconds)")
    max_connections: int = Field(
        default=200,
        ge=1,
        le=2000,
        title="Connections",
        description="The most connections that are open at once; placing calls takes half of them.",
    )

    @field_validator("api_key")
    @classmethod
    def _check_api_key(cls, pasted: SecretStr | None) -> SecretStr | None:
        return None if pasted is None else SecretStr(clean_api_key(pasted))

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str | None) -> str | None:
        return None if url is None else clean_base_url(url)

    @property
    def resolved_base_url(self) -> str:
        """Where requests go: the base URL, or else the region's."""
        return self.base_url or REGION_URLS[self.region]

    @property
    def timeouts(self) -> Timeouts:
        """The four timeouts together, as the client takes them."""
        return Timeouts(
            connect_seconds=self.connect_timeout_seconds,
            read_seconds=self.read_timeout_seconds,
            write_seconds=self.write_timeout_seconds,
            pool_seconds=self.pool_timeout_seconds,
        )


class EnvironmentSettings(BaseSettings):
    """Settings from environment variables: an empty one counts as not set, and no error shows a value."""

    model_config = SettingsConfigDict(env_ignore_empty=True, hide_input_in_errors=True)


class HamsaSettings(HamsaAccess, EnvironmentSettings):
    """Settings for Hamsa's API, read from environment variables that begin with `HAMSA_`.

    Example:
        >>> HamsaSettings(region="uae").resolved_base_url
        'https://api.uae.tryhamsa.com'
    """

    model_config = SettingsConfigDict(env_prefix="HAMSA_")


_NO_SECRET_KEYS = {
    "pk_": "The Hamsa API key begins with pk_, so it is a public key for browsers, which cannot place calls",
    "ct_": "The Hamsa API key begins with ct_, so it is a one-use token, good for a single call only",
}
"""What people take for a key and is none, by its beginning. A secret key begins with `sk_`, or with nothing known."""

_PASTED_AROUND_KEY = re.compile(r"^(?:authorization\s*:\s*)?(?:token\s+)*", re.IGNORECASE)


def clean_api_key(pasted: str | SecretStr) -> str:
    """Return the bare key from what people paste: `Token abc`, `Authorization: Token abc`, quotes, line ends.

    Raises:
        ValueError: It cannot be an API key for this API. The text does not show it.
    """
    text = pasted.get_secret_value() if isinstance(pasted, SecretStr) else pasted
    key = _PASTED_AROUND_KEY.sub("", text.strip().strip("\"'").strip()).strip("\"'")
    if not key or key.lower() == "token":
        raise ValueError("The Hamsa API key is empty: copy a secret key from your Hamsa project.")
    for prefix, why in _NO_SECRET_KEYS.items():
        if key.lower().startswith(prefix):
            raise ValueError(f"{why}: use a secret key of your Hamsa project.")
    # The HTTP library would quote it in its error.
    if not fits_in_header(key):
        raise ValueError(
            "The Hamsa API key has a space or an unusual character in it: copy it again, the key alone, in one piece."
        )
    return key


def clean_base_url(url: str) -> str:
    """Return the API's address without a slash or a pasted `/v1` at its end.

    Raises:
        ValueError: It is not https (or http to this machine), or carries a password, a query or a fragment.
    """
    url = url.strip()
    parts = split_safe_url(url, name="base_url")
    if parts.username is not None or parts.password is not None:
        raise ValueError("base_url must not hold a user name or a password: the API key is all that Hamsa asks for.")
    if parts.query or parts.fragment:
        raise ValueError("base_url must end with the host or a path: leave out what follows the ? or the #.")
    return url.rstrip("/?#").removesuffix("/v1").rstrip("/")


def fits_in_header(text: str) -> bool:
    """Whether a text can travel in an HTTP header as one word."""
    return all("!" <= character <= "~" for character in text)
