"""What fsrec.yaml can say (DESIGN section 8): one frozen model a section, each default beside its key.

A section or key without a value has its default. Secrets are SecretStr and appear in no repr and no error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from controller.documents.dialect import Account
from controller.documents.fetch import is_url
from controller.settings_values import (
    DocumentSource,
    EndpointUrl,
    Engine,
    Identity,
    Listen,
    ListenAddress,
    LocalPath,
    MediaPlace,
    Name,
    Network,
    Pattern,
    PostgresUrl,
    PublicUrl,
    Secret,
    ServerUrl,
    Size,
    SpokenName,
    StorePlace,
    SwitchPath,
    Text,
    Voice,
    WebUrl,
    near,
    not_yet,
)
from controller.switch.commands_dial import template

MOST_GUESSED = 15
"""Characters that a token for the console may not be as short as: whoever reaches the daemon may try on."""


def _long_enough(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if len(token) <= MOST_GUESSED or not token.isprintable() or token != token.strip():
        raise ValueError(
            f"should be {MOST_GUESSED + 1} characters or more that can be typed, as `openssl rand -hex 24` makes them"
        )
    return value


Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
ConsoleToken = Annotated[Secret, AfterValidator(_long_enough)]
NumberTemplate = Annotated[Text, AfterValidator(lambda value: template(value, "number"))]
SipTemplate = Annotated[Text, AfterValidator(lambda value: template(value, "uri"))]


class Section(BaseModel):
    """A mapping of the file: nothing unknown, nothing changed afterwards, no value in an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=False)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, data: Any) -> Any:
        """Drop the known keys that have no value, so that they have their defaults."""
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


class SwitchSettings(Section):
    """One FreeSWITCH: where its event socket is, and one directory of recordings as each side sees it."""

    name: Name
    host: Text = "127.0.0.1"
    port: Port = 8021
    password: Secret
    switch_path: SwitchPath
    local_path: LocalPath


class HttpSettings(Section):
    """The HTTP listener, and the URL under which the world reaches it.

    Of ``trusted_proxies`` X-Forwarded-For is believed: it tells whose failed logins are counted.
    """

    listen: ListenAddress = Listen("127.0.0.1", 8080)
    public_url: PublicUrl | None = None
    tls_certificate: LocalPath | None = None
    tls_key: LocalPath | None = None
    trusted_proxies: tuple[Network, ...] = ()
    console_token: ConsoleToken | None = None

    @model_validator(mode="after")
    def _reachable(self) -> HttpSettings:
        if self.public_url is None and self.listen.everywhere:
            raise ValueError("public_url is needed when listen names every address: URLs of recordings begin with it")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("TLS needs tls_certificate and tls_key; one of them is missing")
        return self

    @property
    def nearby(self) -> Listen:
        """Return where the listener is found from its own machine."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
        return Listen(everywhere.get(self.listen.host, self.listen.host), self.listen.port)

    def base_url(self, port: int | None = None) -> str:
        """Return what the URLs of recordings begin with; ``port`` is the one taken where listen says 0."""
        if self.public_url is not None:
            return self.public_url
        scheme = "http" if self.tls_certificate is None else "https"
        return f"{scheme}://{Listen(self.listen.host, self.listen.port or port or 0)}"


class S3Settings(Section):
    """How the media store is reached, in the words of S3's tools.

    What is not said comes from the environment (``AWS_ACCESS_KEY_ID`` …), or from the machine's role.
    """

    endpoint: EndpointUrl | None = None
    region: Identity | None = None
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    path_style: bool | None = None
    allow_http: bool = False

    @model_validator(mode="after")
    def _together(self) -> S3Settings:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together; one is missing")
        if self.session_token is not None and self.access_key_id is None:
            raise ValueError("session_token belongs to an access_key_id and a secret_access_key, which are missing")
        endpoint = self.endpoint or ""
        if endpoint.startswith("http://") and not (self.allow_http or near(endpoint)):
            raise ValueError(
                "endpoint should begin with https://: recordings would cross the network in clear text; where that "
                "is meant (a name of your own network), say allow_http: true"
            )
        return self


class MediaSettings(Section):
    """Where finished recordings are kept and served from, and to whom."""

    store: MediaPlace | None = None
    s3: S3Settings = S3Settings()
    directory: LocalPath | None = None
    require_auth: bool = False
    keep_untrimmed: bool = False

    @model_validator(mode="after")
    def _of_a_store(self) -> MediaSettings:
        if self.store is None and self.s3 != S3Settings():
            raise ValueError("s3 says how a media store is reached, and there is none: store is missing")
        return self

    def place(self) -> dict[str, Any]:
        """Return what ``media.objects.Place`` is made of, secrets in clear; nothing where there is no media store."""
        if self.store is None:
            return {}
        given = {
            key: value.get_secret_value() if isinstance(value, SecretStr) else value
            for key, value in self.s3
            if key != "allow_http"
        }
        return {"bucket": self.store.bucket, "prefix": self.store.prefix, **given}


class _AccountSettings(Section):
    """What every vendor's account has."""

    name: Name
    retention_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    absent_when_silent: bool = False
    price_per_minute: Amount = 0.0


class SignalwireAccount(_AccountSettings):
    """A SignalWire project: SWML and LaML."""

    vendor: Literal["signalwire"]
    project_id: Identity
    space_id: Identity | None = None
    api_token: Secret
    signing_key: Secret | None = None
    absent_below_seconds: Amount = 1.0

    def account(self) -> Account:
        """Return it as the dialects see it; without a signing key of its own the token signs."""
        token = self.api_token.get_secret_value()
        key = self.signing_key.get_secret_value() if self.signing_key else token
        return Account(
            self.name,
            self.vendor,
            self.project_id,
            self.space_id or "",
            token,
            key,
            self.absent_below_seconds,
            self.absent_when_silent,
            self.price_per_minute,
        )


class TwilioAccount(_AccountSettings):
    """A Twilio account: TwiML."""

    vendor: Literal["twilio"]
    account_sid: Identity
    auth_token: Secret
    absent_below_seconds: Amount = 1.0

    def account(self) -> Account:
        """Return it as the dialects see it."""
        token = self.auth_token.get_secret_value()
        return Account(
            self.name,
            self.vendor,
            self.account_sid,
            "",
            token,
            token,
            self.absent_below_seconds,
            self.absent_when_silent,
            self.price_per_minute,
        )


class PlivoAccount(_AccountSettings):
    """A Plivo account: Plivo XML.

    Of a subaccount ``main_auth_token`` is the token of the account that it belongs to. ``older_signatures`` puts V2
    of Plivo's signatures beside V3.
    """

    vendor: Literal["plivo"]
    auth_id: Identity
    auth_token: Secret
    main_auth_token: Secret | None = None
    older_signatures: bool = False

    def account(self) -> Account:
        """Return it as the dialects see it."""
        token = self.auth_token.get_secret_value()
        return Account(
            self.name,
            self.vendor,
            self.auth_id,
            "",
            token,
            token,
            absent_when_silent=self.absent_when_silent,
            price_per_minute=self.price_per_minute,
            main_token=self.main_auth_token.get_secret_value() if self.main_auth_token else "",
            older_signatures=self.older_signatures,
        )


AnyAccount = Annotated[SignalwireAccount | TwilioAccount | PlivoAccount, Field(discriminator="vendor")]


class RouteSettings(Section):
    """Which dialled numbers (searched in the destination, first match wins) get which account's document.

    Documents are absolute paths, or http(s) URLs that are asked by ``method`` in the way of ``dialect``: SignalWire's
    accounts have two, and which one an application speaks is not known before it answers. ``hangup_url`` of a Plivo
    account is told of the call's end, by ``method`` too.
    """

    destination: Pattern
    account: Name
    document: DocumentSource
    method: Literal["GET", "POST"] = "POST"
    dialect: Literal["swml", "twiml"] | None = None
    fallback: DocumentSource | None = None
    hangup_url: WebUrl | None = None

    @model_validator(mode="after")
    def _asked(self) -> RouteSettings:
        asked = (self.document, self.fallback or "", self.hangup_url or "")
        if self.method != "POST" and not any(is_url(source) for source in asked):
            raise ValueError("method is how a document is asked of a URL; this route's are files")
        if self.dialect is not None and not any(is_url(source) for source in (self.document, self.fallback or "")):
            raise ValueError("dialect is how a document is asked of a URL; a file's content tells its own")
        return self


class DialSettings(Section):
    """How a dialled number or SIP URI becomes a FreeSWITCH endpoint; nobody rings longer than ``timeout`` seconds."""

    number: NumberTemplate = "sofia/gateway/carrier/{number}"
    sip: SipTemplate = "sofia/external/{uri}"
    timeout: Annotated[Seconds, Field(le=600)] = 60.0


def _spoken_names(voices: dict[str, str]) -> dict[str, str]:
    seen: dict[str, str] = {}
    for name in voices:
        if seen.setdefault(name.casefold(), name) != name:
            raise ValueError(
                f"{name} and {seen[name.casefold()]} are one name: upper and lower case are the same here"
            )
    return voices


class SpeechSettings(Section):
    """FreeSWITCH's text to speech: an engine's name, or ``none``, and which of its voices speaks.

    ``voices`` says which voice of the engine stands for a document's voice, language or gender; ``voice`` is for all
    else. Upper and lower case of a document's names are the same.
    """

    engine: Engine = "flite"
    voice: Voice = "kal"
    voices: Annotated[dict[SpokenName, Voice], AfterValidator(_spoken_names)] = {}


class WebhookSettings(Section):
    """Which addresses callbacks may go to beside public ones, and how hard they are tried."""

    allow_networks: tuple[Network, ...] = ()
    max_attempts: Annotated[int, Field(ge=1, le=8)] = 8
    per_origin: Count = 20


class LimitSettings(Section):
    """Bounds: running recordings of a call, calls at once, bytes that stay free on the recordings' disk."""

    recordings_per_call: Count = 10
    calls: Count = 2000
    min_free_disk: Size = 1024**3


class TranscriptionSettings(Section):
    """Speech to text of finished recordings: who hears them, how many at a time, and what that costs.

    ``url``, ``api_key`` and ``model`` are of the engine openai alone. ``charge`` is for each recording, ``rate`` for
    each minute that it begins.
    """

    engine: Literal["none", "moonshine", "openai"] = "none"
    url: ServerUrl | None = None
    api_key: Secret | None = None
    model: Text | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    queue: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    charge: Amount = 0.0
    rate: Amount = 0.0

    @model_validator(mode="after")
    def _together(self) -> TranscriptionSettings:
        if self.engine == "openai":
            if self.url is None:
                raise ValueError("url is needed by the engine openai, as in https://api.openai.com")
        elif surplus := [key for key in ("url", "api_key", "model") if getattr(self, key) is not None]:
            raise ValueError(f"{' and '.join(surplus)} can't be used: only the engine openai has them")
        return self


class LogSettings(Section):
    """What is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


def _at_least_one(value: tuple[SwitchSettings, ...]) -> tuple[SwitchSettings, ...]:
    if not value:
        raise ValueError("needs at least one entry")
    return value


class Reach(Section):
    """What a command needs of the settings to find the daemon of this machine, and to be known to it."""

    http: HttpSettings = HttpSettings()
    data_dir: Annotated[LocalPath, Field(validate_default=True)] = Path("data")


class Settings(Reach):
    """The whole file, validated. Paths are absolute; a relative one counted from the file's own directory."""

    switches: Annotated[tuple[SwitchSettings, ...], AfterValidator(_at_least_one)]
    store: StorePlace = "sqlite"
    media: MediaSettings = MediaSettings()
    accounts: tuple[AnyAccount, ...] = ()
    routes: tuple[RouteSettings, ...] = ()
    unrouted_calls: Annotated[Name | None, not_yet(None, "recording calls that no route claims")] = None
    dial: DialSettings = DialSettings()
    speech: SpeechSettings = SpeechSettings()
    webhooks: WebhookSettings = WebhookSettings()
    limits: LimitSettings = LimitSettings()
    transcription: TranscriptionSettings = TranscriptionSettings()
    log: LogSettings = LogSettings()

    def store_place(self) -> str:
        """Return the place that ``open_store`` takes: a path, or a URL, which may hold a password."""
        if isinstance(self.store, PostgresUrl):
            return self.store.url.get_secret_value()
        return str(self.data_dir / "fsrec.db")

    def copies(self) -> Path:
        """Return where the copies of recordings lie that are served in place of the switch's own files."""
        return self.media.directory or self.data_dir / "media"

    def accounts_by_name(self) -> Mapping[str, Account]:
        """Return every account as the dialects see it, by its name."""
        return MappingProxyType({settings.name: settings.account() for settings in self.accounts})

    def route(self, destination: str) -> RouteSettings | None:
        """Return the first route that claims a dialled destination, or None."""
        return next((route for route in self.routes if route.destination.search(destination)), None)
