"""fsrec.yaml → validated settings (DESIGN section 8), or every problem of the file at once, each with its line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from controller import settings_yaml
from controller.settings_model import (
    DialSettings,
    HttpSettings,
    LimitSettings,
    LogSettings,
    MediaSettings,
    PlivoAccount,
    Reach,
    RouteSettings,
    Settings,
    SignalwireAccount,
    SpeechSettings,
    SwitchSettings,
    TranscriptionSettings,
    TwilioAccount,
    WebhookSettings,
)
from controller.settings_values import Listen
from controller.settings_yaml import Data, Document, Fault, Location

__all__ = [
    "DialSettings",
    "HttpSettings",
    "LimitSettings",
    "Listen",
    "LogSettings",
    "MediaSettings",
    "PlivoAccount",
    "Reach",
    "RouteSettings",
    "Settings",
    "SettingsError",
    "SettingsProblem",
    "SignalwireAccount",
    "SpeechSettings",
    "SwitchSettings",
    "TranscriptionSettings",
    "TwilioAccount",
    "WebhookSettings",
    "load",
    "load_reach",
    "parse",
]

MAX_BYTES = 1024 * 1024
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """One thing wrong: file, line (from 1, 0 unknown), the key's place, and what would be right."""

    source: str
    line: int
    where: str
    message: str

    def __str__(self) -> str:
        """Return it as ``fsrec.yaml:12: routes[0].acount: unknown key; did you mean account?``."""
        at = f"{self.source}:{self.line}" if self.line else self.source
        return f"{at}: {self.where}: {self.message}" if self.where else f"{at}: {self.message}"


class SettingsError(ValueError):
    """Settings that are refused, with every problem found; its text has one problem a line."""

    def __init__(self, problems: Iterable[SettingsProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def load(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a file. Raises SettingsError, whatever the file is or holds."""
    source = Path(path)
    return parse(_text(source), str(source), source.absolute().parent, environ)


def load_reach(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Reach:
    """Return what a file says of how its daemon is reached from this machine; all else in it may be wrong.

    Secrets of the settings often lie in the daemon's environment alone. Raises SettingsError.
    """
    source = Path(path)
    document = settings_yaml.read(_text(source), os.environ if environ is None else environ)
    data = document.data if isinstance(document.data, dict) else {}
    http = data.get("http")
    wanted: dict[str, Data] = {name: data[name] for name in ("data_dir",) if name in data}
    if isinstance(http, dict):
        wanted["http"] = {name: value for name, value in http.items() if name in _REACHED}
    reach, invalid = _validate(Reach, wanted, document, source.absolute().parent)
    faults = [fault for fault in document.faults if _concerns(fault.location)] + invalid
    if reach is None or faults:
        raise SettingsError(_told(str(source), faults))
    return reach


_REACHED = frozenset({"listen", "public_url", "tls_certificate", "tls_key"})


def _concerns(location: Location) -> bool:
    """Tell whether a fault is in the way of ``load_reach``."""
    return location in {(), ("data_dir",), ("http",)} or (location[0] == "http" and location[1] in _REACHED)


def _text(source: Path) -> str:
    try:
        with source.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise SettingsError([_problem(str(source), f"larger than {MAX_BYTES} bytes; no settings are")])
        text = raw.decode()
    except OSError as error:
        raise SettingsError([_problem(str(source), f"can't be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError([SettingsProblem(str(source), line, "", "no valid UTF-8")]) from None
    return text


def parse(
    text: str,
    source: str = "fsrec.yaml",
    base: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings that ``text`` says; relative paths count from ``base``. Raises SettingsError."""
    document = settings_yaml.read(text, os.environ if environ is None else environ)
    faults = list(document.faults)
    data = {} if document.data is None else document.data
    unread = document.data is None and bool(faults)
    if not isinstance(data, dict):
        faults.append(Fault(document.line(()), (), "should be a mapping (key: value) of settings"))
    elif not unread:
        settings, invalid = _validate(Settings, data, document, base or Path.cwd())
        faults += invalid
        faults += [Fault(document.line(at), at, message) for at, message in _cross_checks(data)]
        if settings is not None and not faults:
            return settings
    raise SettingsError(_told(source, faults))


def _told(source: str, faults: Iterable[Fault]) -> Iterator[SettingsProblem]:
    for fault in sorted(_first_of_each(faults), key=lambda fault: fault.line):
        yield SettingsProblem(source, fault.line, _where(fault.location), fault.message)


def _problem(source: str, message: str) -> SettingsProblem:
    return SettingsProblem(source, 0, "", message)


def _first_of_each(faults: Iterable[Fault]) -> Iterator[Fault]:
    """Yield one fault a place: a value that could not be read is not missing as well."""
    seen: set[Location] = set()
    for fault in faults:
        if fault.location not in seen or not fault.location:
            seen.add(fault.location)
            yield fault


def _where(location: Location) -> str:
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = "".join(char if char.isprintable() else "�" for char in part[:100])
            text += f".{shown}" if text else shown
    return text


def _validate(
    model: type[Model], data: dict[str, Data], document: Document, base: Path
) -> tuple[Model | None, list[Fault]]:
    try:
        return model.model_validate(data, context={"base": base}), []
    except ValidationError as error:
        faults = []
        for detail in error.errors(include_url=False, include_input=False):
            kept = _location(detail["loc"], data)
            message = _words(detail["type"], detail["msg"], detail.get("ctx", {}))
            if detail["type"] == "extra_forbidden":
                message += _suggestion(str(kept[-1]), _keys(detail["loc"][:-1]))
            faults.append(Fault(document.line(kept), kept, message))
        return None, faults


def _location(loc: Location, data: Data) -> Location:
    """Return pydantic's location without the tags of unions, which are no keys of the file."""
    kept: list[str | int] = []
    here: Data = data
    for index, part in enumerate(loc):
        inner = _inside(here, part)
        if inner is None and (index < len(loc) - 1 or not isinstance(here, dict)):
            continue
        kept.append(part)
        here = inner
    return tuple(kept)


def _inside(data: Data, part: str | int) -> Data:
    if isinstance(data, dict) and isinstance(part, str):
        return data.get(part)
    return data[part] if isinstance(data, list) and isinstance(part, int) else None


_WORDS = {
    "missing": "is missing and has no default",
    "extra_forbidden": "unknown key",
    "string_type": "should be text",
    "model_type": "should be a mapping (key: value)",
    "model_attributes_type": "should be a mapping (key: value)",
    "dict_type": "should be a mapping (key: value)",
    "tuple_type": "should be a list",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_parsing_size": "should be a whole number of a sensible size",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "union_tag_not_found": "vendor is missing: signalwire, twilio or plivo",
    "union_tag_invalid": "vendor should be signalwire, twilio or plivo",
}


def _words(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    if kind == "value_error":
        return str(context["error"])
    return message.removeprefix("Input ")


def _suggestion(wrong: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(wrong.lower(), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _keys(loc: Location) -> list[str]:
    """Return the keys that the schema knows at one of pydantic's locations."""
    models: list[type[BaseModel]] = [Settings]
    for part in loc:
        if isinstance(part, str):
            inner = [model.model_fields[part].annotation for model in models if part in model.model_fields]
            tagged = [model for model in models if part in _tags(model)]
            models = tagged or [found for annotation in inner for found in _models(annotation)]
    return [key for model in models for key in model.model_fields]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    vendor = model.model_fields.get("vendor")
    return get_args(vendor.annotation) if vendor else ()


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _cross_checks(data: Mapping[str, Data]) -> Iterator[tuple[Location, str]]:
    """Yield what is wrong between places; reads the raw data, so that it works beside other problems."""
    yield from _doubles(_texts(data, "switches", "name"), "switch name")
    yield from _doubles(_texts(data, "accounts", "name"), "account name")
    for key in ("project_id", "account_sid", "auth_id"):
        yield from _doubles(_texts(data, "accounts", key), f"{key} (one account each)")
    hosts = {location[1]: host for location, host in _texts(data, "switches", "host")}
    ports = {location[1]: port for location, port in _texts(data, "switches", "port")}
    switches = data.get("switches")
    sockets: list[tuple[Location, str]] = [
        (("switches", index, "port"), f"{hosts.get(index, '127.0.0.1')} {ports.get(index, '8021')}")
        for index in range(len(switches) if isinstance(switches, list) else 0)
    ]
    yield from _doubles(sockets, "event socket (host and port)")
    names = {name for _, name in _texts(data, "accounts", "name")}
    wanted = [*_texts(data, "routes", "account")]
    unrouted = data.get("unrouted_calls")
    if isinstance(unrouted, str):
        wanted.append((("unrouted_calls",), unrouted))
    for location, name in wanted:
        if name not in names:
            yield location, f"no account has this name{_suggestion(name, names)}"
    vendors = {location[1]: vendor for location, vendor in _texts(data, "accounts", "vendor")}
    vendor_of = {name: vendors.get(location[1], "") for location, name in _texts(data, "accounts", "name")}
    account_of = {location[1]: name for location, name in _texts(data, "routes", "account")}
    for location, dialect in _texts(data, "routes", "dialect"):
        vendor = vendor_of.get(account_of.get(location[1], ""), "signalwire")
        if dialect == "swml" and vendor != "signalwire":
            yield location, f"accounts of {vendor} have no SWML"
        if dialect == "twiml" and vendor == "plivo":
            yield location, "accounts of plivo have no TwiML; leave it out"
    for location, _ in _texts(data, "routes", "hangup_url"):
        vendor = vendor_of.get(account_of.get(location[1], ""), "plivo")
        if vendor != "plivo":
            yield location, f"accounts of {vendor} have no hangup URLs; those of plivo have"


def _texts(data: Mapping[str, Data], section: str, key: str) -> Iterator[tuple[Location, str]]:
    entries = data.get(section)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        value = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(value, str):
            yield (section, index, key), value


def _doubles(found: Iterable[tuple[Location, str]], what: str) -> Iterator[tuple[Location, str]]:
    seen: dict[str, Location] = {}
    for location, value in found:
        if value in seen:
            yield location, f"the same {what} as {_where(seen[value][:-1])}"
        seen.setdefault(value, location)
