"""The small values that settings are made of: each is read from text, checked, and refused in words.

A value that the schema knows and this version can't carry out is refused by ``not_yet``: nothing is silently ignored.
"""

from __future__ import annotations

import ipaddress
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainValidator, SecretStr, ValidationInfo

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_ENGINE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_VOICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_SPOKEN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}")
_WISHES = re.compile(r"(?:ct|ot|rt|tt|rc|rp)=[a-z0-9,]+(?:&(?:ct|ot|rt|tt|rc|rp)=[a-z0-9,]+)*")
_SWITCH_PATH = re.compile(r"(?:/[A-Za-z0-9._-]+)+")
_MEDIA_STORE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9!_.*'()/-]*))?")
_SIZE = re.compile(r"(?P<count>[0-9]{1,15})\s*(?P<unit>[A-Za-z]*)")
_UNITS: dict[str, int] = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
}


def not_yet(default: object, what: str) -> AfterValidator:
    """Return a validator that accepts nothing but the default, because this version can't carry ``what`` out."""

    def check(value: T) -> T:
        if value != default:
            raise ValueError(f"not supported in this version: {what}")
        return value

    return AfterValidator(check)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: ``host:port`` or ``[IPv6]:port``; port 0 takes a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen:
        """Return the address that ``text`` names. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not host or (":" in host and not bracketed):
            raise ValueError('should be "host:port" or "[IPv6]:port", as in 127.0.0.1:8080')
        if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
            raise ValueError("the port should be a number from 0 to 65535")
        if bracketed:
            host = _ipv6(host[1:-1])
        elif not re.fullmatch(r"[A-Za-z0-9._-]+", host):
            raise ValueError("the host should be a name or an address")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def everywhere(self) -> bool:
        """Whether it takes connections on every address of the machine."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False


def _ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise ValueError("the host in brackets should be an IPv6 address") from None


def parse_size(text: str) -> int:
    """Return the bytes that ``1GiB``, ``500 MB`` or ``1024`` stand for. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None or match["unit"].lower() not in _UNITS:
        raise ValueError("should be a size as in 1GiB, 500MB or 1048576")
    return int(match["count"]) * _UNITS[match["unit"].lower()]


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return parse_size(_text(value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("should be text")  # noqa: TRY004 - pydantic turns only ValueError into a problem
    return value


def _listen(value: object) -> Listen:
    return value if isinstance(value, Listen) else Listen.parse(_text(value))


def _network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    try:
        return ipaddress.ip_network(_text(value))
    except ValueError as error:
        detail = "its host bits are set" if "host bits" in str(error) else "it can't be read"
        raise ValueError(f"should be a network as in 10.0.0.0/8 or fd00::/8; {detail}") from None


def _pattern(value: object) -> re.Pattern[str]:
    if isinstance(value, re.Pattern):
        return value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return re.compile(_text(value))
        except (re.error, Warning, RecursionError, OverflowError) as error:
            raise ValueError(f"should be a regular expression: {error}") from None


def _public_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not re.fullmatch(r"[!-~]+", value):
        raise ValueError("should be a URL as in https://rec.example.com")
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in value or "#" in value:
        raise ValueError("should have no user, query or fragment: recordings' paths are put behind it")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}".rstrip("/")


def _server_url(value: str) -> str:
    """Return the URL of a server that the settings choose, which may be anywhere; its credentials are elsewhere."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        (parts.hostname or "").encode("idna")  # as it will be looked up
    except ValueError:
        good = False
    if not good or not re.fullmatch(r"[!-~]+", value):
        raise ValueError("should be a URL as in https://api.openai.com or http://127.0.0.1:9000/v1")
    if "@" in parts.netloc or "#" in value:
        raise ValueError("should have no user and no fragment: the key is api_key")
    return value


@dataclass(frozen=True, slots=True)
class MediaStore:
    """A bucket of S3-compatible storage, and what the names of all its objects begin with."""

    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> MediaStore:
        """Return the place that ``s3://bucket/prefix`` names. Raises ValueError."""
        match = _MEDIA_STORE.fullmatch(text)
        prefix = "" if match is None else (match[2] or "").strip("/")
        if match is None or ".." in match[1] or (prefix and not all(set(part) - {"."} for part in prefix.split("/"))):
            raise ValueError(
                "should be s3://bucket/prefix: a bucket's name is 3 to 63 of a-z, 0-9, - and ., a prefix of letters, "
                "digits and !_.*'()/-"
            )
        return cls(match[1], prefix)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def _media_store(value: object) -> MediaStore:
    return value if isinstance(value, MediaStore) else MediaStore.parse(_text(value))


def _endpoint(value: str) -> str:
    """Return the URL of an S3 server; its own paths are put behind it."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        good = False
    if not good or not re.fullmatch(r"[!-~]+", value):
        raise ValueError("should be a URL as in https://minio.example.com:9000")
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in value or "#" in value:
        raise ValueError("should have no user, query or fragment: the keys are access_key_id and secret_access_key")
    return value.rstrip("/")


def near(url: str) -> bool:
    """Tell whether a URL's host is this machine, or an address of a private network."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_private


def _switch_path(value: str) -> str:
    path = value.rstrip("/")
    if not _SWITCH_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError("should be an absolute path of letters, digits and ._-/: FreeSWITCH splits others")
    return path


def _rooted(value: str | os.PathLike[str], info: ValidationInfo) -> str:
    """Return an absolute path; a relative one counts from the settings file."""
    text = os.fspath(value)
    if not text:
        raise ValueError("must not be empty")
    base = info.context["base"] if info.context else Path.cwd()
    return os.path.normpath(Path(base) / text)


def _document(value: str, info: ValidationInfo) -> str:
    """Return an absolute path, or an http(s) URL as it is; its fragment may say how it is asked."""
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", value):
        return _rooted(value, info)
    return _asked_url(value, "should be a file, or a URL as in https://app.example.com/document")


def _web_url(value: str) -> str:
    """Return an http(s) URL as it is; its fragment may say how it is asked."""
    return _asked_url(value, "should be a URL as in https://app.example.com/hangup")


def _asked_url(value: str, words: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not re.fullmatch(r"[!-~]+", value):
        raise ValueError(words)
    if "#" in value and not _WISHES.fullmatch(value.partition("#")[2]):
        raise ValueError("should have no fragment (#) but one that says how to ask, as in #ct=2000&rc=2&rp=5xx,ct")
    return value


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """Where a PostgreSQL database is. Shown without the password, which is apart so that logs can hide it as well."""

    url: SecretStr
    password: SecretStr
    shown: str

    @classmethod
    def parse(cls, text: str) -> PostgresUrl:
        """Return the URL that ``text`` is. Raises ValueError, without repeating any of it."""
        words = "should be sqlite, or a URL as in postgresql://fsrec:${FSREC_DB_PASSWORD}@db.example.com:5432/fsrec"
        try:
            parts = urlsplit(text)
            port = parts.port
            database = unquote(parts.path[1:], errors="strict")
        except ValueError:
            raise ValueError(f"{words}; % and : / ? # [ ] @ in a password are written as %25 %3A %2F …") from None
        if parts.scheme not in {"postgresql", "postgres"} or not re.fullmatch(r"[!-~]+", text) or "#" in text:
            raise ValueError(f"{words}; % and : / ? # [ ] @ in a password are written as %25 %3A %2F …")
        if not database or "/" in database or not database.isprintable():
            raise ValueError(f"{words}; it names no database")
        asked = parse_qs(parts.query, keep_blank_values=True)
        if "," in parts.netloc.rpartition("@")[2] or "," in "".join(asked.get("host", ())):
            raise ValueError("should name one host: an address that leads to the primary")
        for key in asked:
            if "password" in key.lower():
                raise ValueError(f"should have no {key!r} behind the question mark, but the password before the host")
        if not set(asked.get("sslmode", ())) <= _SSL_MODES:
            raise ValueError(f"sslmode should be one of {', '.join(sorted(_SSL_MODES))}")
        user = f"{unquote(parts.username)}@" if parts.username else ""
        at = f"{parts.hostname or ''}{f':{port}' if port else ''}"
        shown = f"postgresql://{user}{at}/{database}"
        return cls(SecretStr(text), SecretStr(unquote(parts.password or "")), shown if shown.isprintable() else at)

    def __str__(self) -> str:
        return self.shown


_SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})


def _store(value: object) -> PostgresUrl | Literal["sqlite"]:
    if isinstance(value, PostgresUrl):
        return value
    return "sqlite" if value == "sqlite" else PostgresUrl.parse(_text(value))


def _matching(pattern: re.Pattern[str], words: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(words)
        return value

    return check


def _filled(value: Any) -> Any:
    if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
        raise ValueError("must not be empty")
    return value


def _path_like(value: object) -> str:
    return _text(os.fspath(value) if isinstance(value, os.PathLike) else value)


Name = Annotated[
    str, AfterValidator(_matching(_NAME, "should be a name: up to 63 letters, digits, and ._- after the first"))
]
Identity = Annotated[
    str, AfterValidator(_matching(_IDENTITY, "should be the vendor's id: letters, digits and ._-, up to 128"))
]
Engine = Annotated[
    str,
    AfterValidator(
        _matching(
            _ENGINE, "should be the name of FreeSWITCH's engine (a-z, 0-9 and _, up to 32), as in flite, or none"
        )
    ),
]
Voice = Annotated[
    str,
    AfterValidator(_matching(_VOICE, "should be a voice of the engine: letters, digits and ._+- after the first")),
]
SpokenName = Annotated[
    str,
    AfterValidator(
        _matching(_SPOKEN_NAME, "should be what a document asks for: a voice, language or gender, as in Polly.Salli")
    ),
]
Text = Annotated[str, AfterValidator(_filled)]
Secret = Annotated[SecretStr, AfterValidator(_filled)]
StorePlace = Annotated[PostgresUrl | Literal["sqlite"], PlainValidator(_store)]
Size = Annotated[int, PlainValidator(_size)]
ListenAddress = Annotated[Listen, PlainValidator(_listen)]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, PlainValidator(_network)]
Pattern = Annotated[re.Pattern[str], PlainValidator(_pattern)]
ServerUrl = Annotated[str, AfterValidator(_server_url)]
EndpointUrl = Annotated[str, AfterValidator(_endpoint)]
MediaPlace = Annotated[MediaStore, PlainValidator(_media_store)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
SwitchPath = Annotated[str, AfterValidator(_switch_path)]
LocalPath = Annotated[Path, BeforeValidator(_rooted), BeforeValidator(_path_like)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
DocumentSource = Annotated[str, AfterValidator(_document), BeforeValidator(_path_like)]
