"""How the receiver is set up: from environment variables that begin with `HAMSA_WEBHOOK_`.

Promises that a receiver without a secret never listens for other machines, and that what is wrong is said in one
sentence that names the variable and shows no secret.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from campaign.ledger import checked_url
from campaign.rules import DEFAULT_OPT_OUT_FIELDS
from hamsa.settings import EnvironmentSettings, fits_in_header
from hamsa.urls import is_loopback

PREFIX = "HAMSA_WEBHOOK_"

SHORTEST_SECRET = 16
"""Characters of a secret that nobody guesses: it is all that keeps strangers out."""

ANSWER_SECONDS = 3.5
"""How long an answer may take in all: Hamsa waits for five seconds, on the other side of a network and a proxy."""

FieldNames = Annotated[tuple[str, ...], NoDecode, Field(max_length=50)]


class WebhookSettings(EnvironmentSettings):
    """Settings of the receiver.

    Example:
        >>> WebhookSettings(auth_secret="sixteen-characters-or-more").auth_key
        'Bearer'
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    auth_key: str = Field(
        default="Bearer",
        max_length=100,
        description="First word of the Authorization header that Hamsa sends: authKey of the agent's webhook auth.",
    )
    auth_secret: SecretStr | None = Field(
        default=None,
        max_length=500,
        description=f"The secret that follows it: authSecret, at least {SHORTEST_SECRET} characters. The receiver "
        "does not start without one.",
    )
    previous_auth_secret: SecretStr | None = Field(
        default=None,
        max_length=500,
        description="The secret before a change: taken as well, until every agent and block sends the new one.",
    )
    without_auth: bool = Field(
        default=False,
        description="Take events from anybody on this machine, to try things out; only with a loopback host.",
    )
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        max_length=255,
        description="The address to listen on; 0.0.0.0 for all. It speaks plain HTTP: TLS is for the proxy before it.",
    )
    port: int = Field(default=8766, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    ledger_url: SecretStr | None = Field(
        default=None,
        description="URL of the ledger that the campaigns use; empty means the same SQLite file as an empty Call "
        "Ledger block, next to Prefect's own data.",
    )
    spool_path: Path | None = Field(
        default=None,
        description="SQLite file in which accepted events wait to be recorded; it must outlive the process. Empty "
        "means `hamsa/webhooks.db` next to Prefect's own data.",
    )
    events: bool = Field(
        default=True,
        description="Emit Prefect's events of calls placed and ended; needs PREFECT_API_URL. Off: the ledger only.",
    )
    outcome_fields: FieldNames = Field(
        default=(),
        description="Fields of the outcome that Prefect's events may show, separated by commas; none if empty.",
    )
    opt_out_fields: FieldNames = Field(
        default=DEFAULT_OPT_OUT_FIELDS,
        description="Fields of the outcome in which agents note that somebody wants no more calls: those of all "
        "policies in use, separated by commas.",
    )
    max_body_bytes: int = Field(
        default=1_048_576, ge=1024, le=16_777_216, description="The largest event taken, in bytes; more gets 413."
    )
    body_timeout_seconds: float = Field(
        default=2.0, ge=0.1, le=3.0, description="How long the body of an event may take to arrive; longer gets 408."
    )
    max_connections: int = Field(
        default=500, ge=1, le=10_000, description="The most connections that are open at once; more get 503."
    )
    max_connections_per_address: int = Field(
        default=250,
        ge=1,
        le=10_000,
        description="The most connections that one address may have open at once, a proxy's included; more get 503.",
    )
    max_waiting: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="The most events that may wait in the spool; more get 503 until the ledger has caught up.",
    )
    max_waiting_bytes: int = Field(
        default=1_073_741_824,
        ge=1024,
        le=1_099_511_627_776,
        description="The most bytes of events that may wait in the spool; more get 503 until the ledger has caught up.",
    )
    keep_days: int = Field(
        default=7,
        ge=1,
        le=365,
        description="Days for which recorded events are remembered, without their contents, to recognize duplicates.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="How much it logs.")

    @field_validator("auth_key")
    @classmethod
    def _one_word(cls, value: str) -> str:
        if not value or not fits_in_header(value):
            raise ValueError("must be one word of letters, digits and signs, such as Bearer.")
        return value

    @field_validator("auth_secret", "previous_auth_secret")
    @classmethod
    def _a_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        secret = value.get_secret_value().strip()
        if len(secret) < SHORTEST_SECRET:
            raise ValueError(
                f"is too short: make one of at least {SHORTEST_SECRET} characters, such as "
                "`python -c 'import secrets; print(secrets.token_urlsafe(32))'` prints."
            )
        if not fits_in_header(secret):
            raise ValueError("has a space or an unusual character in it, which cannot travel in a header.")
        return SecretStr(secret)

    @field_validator("ledger_url")
    @classmethod
    def _a_ledger(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            return checked_url(value)
        except ValueError as error:
            raise ValueError(f"cannot be used. {error}") from None

    @field_validator("outcome_fields", "opt_out_fields", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            try:
                return json.loads(value)
            except (ValueError, RecursionError):
                raise ValueError("begins like a JSON list but is not one: write names separated by commas.") from None
        return [name.strip() for name in value.split(",") if name.strip()]

    @model_validator(mode="after")
    def _no_open_receiver(self) -> Self:
        if self.auth_secret is None and not self.without_auth:
            raise ValueError(
                f"Set {PREFIX}AUTH_SECRET to the secret that Hamsa sends (authSecret of the agent's webhook auth), or "
                f"{PREFIX}WITHOUT_AUTH=true to try the receiver on this machine alone: without either it does not open."
            )
        if self.previous_auth_secret is not None and self.auth_secret is None:
            raise ValueError(f"{PREFIX}PREVIOUS_AUTH_SECRET is for a change of {PREFIX}AUTH_SECRET: set that as well.")
        if self.auth_secret is not None and self.without_auth:
            raise ValueError(f"{PREFIX}AUTH_SECRET and {PREFIX}WITHOUT_AUTH contradict each other: unset one of them.")
        if self.without_auth and not is_loopback(self.host):
            raise ValueError(
                f"{PREFIX}WITHOUT_AUTH is for this machine alone, and {PREFIX}HOST lets others in: set it to "
                f"127.0.0.1, or set {PREFIX}AUTH_SECRET instead."
            )
        return self

    @property
    def authorizations(self) -> tuple[str, ...]:
        """The headers of which Hamsa has to send one, in clear, the present one first; empty if nobody has to."""
        secrets = (self.auth_secret, self.previous_auth_secret)
        return tuple(f"{self.auth_key} {secret.get_secret_value()}" for secret in secrets if secret is not None)


def read_settings(environment: Mapping[str, str]) -> WebhookSettings:
    """Read the settings of this process. Its environment is looked at for misspelled ones; pydantic reads the values.

    Raises:
        ValueError: They do not make a receiver. The text has a sentence for each thing that is wrong, and no secret.
    """
    known = {PREFIX + name.upper() for name in WebhookSettings.model_fields}
    unknown = sorted(name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise ValueError(
            f"There is no setting {', '.join(unknown)}: correct or unset it. There are {', '.join(sorted(known))}."
        )
    try:
        return WebhookSettings()
    except ValidationError as error:
        raise ValueError(" ".join(_sentence(problem) for problem in error.errors(include_url=False))) from None


def _sentence(problem: Mapping[str, Any]) -> str:
    said = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:
        return said
    return f"{PREFIX}{str(problem['loc'][0]).upper()} {said[:1].lower()}{said[1:].rstrip('.')}."
