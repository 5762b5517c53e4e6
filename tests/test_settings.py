"""fsrec.yaml: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from controller import settings as module
from controller.documents.dialect import Account
from controller.logs import secrets_of
from controller.settings import Listen, PlivoAccount, Settings, SettingsError, TwilioAccount, load, load_reach, parse
from controller.settings_values import parse_size

SAMPLE = Path(__file__).parent.parent / "fsrec.sample.yaml"
SECRET = "s3cret-Sesame"
SWITCH = "{name: fs1, password: x, switch_path: /r, local_path: /r}"
ACME = f"{{name: acme, vendor: signalwire, project_id: p, api_token: {SECRET}}}"
HEAD = f"switches: [{SWITCH}]\n"
ENVIRON = {"FSREC_ESL_PASSWORD": "ClueCon", "FSREC_API_TOKEN": "t", "FSREC_SIGNING_KEY": "k"}


def read(text: str, **environ: str) -> Settings:
    return parse(text, "fsrec.yaml", Path("/etc/fsrec"), environ)


def problems(text: str, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(text, **environ)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return str(caught.value).splitlines()


def test_defaults() -> None:
    """A file with one switch has DESIGN's default for everything else."""
    settings = read(HEAD)
    switch = settings.switches[0]
    assert (switch.host, switch.port, switch.password.get_secret_value()) == ("127.0.0.1", 8021, "x")
    assert (str(settings.http.listen), settings.http.base_url()) == ("127.0.0.1:8080", "http://127.0.0.1:8080")
    assert settings.data_dir == Path("/etc/fsrec/data")
    assert (settings.store, settings.media.store, settings.media.require_auth) == ("sqlite", None, False)
    assert (settings.accounts, settings.routes, settings.unrouted_calls) == ((), (), None)
    assert (settings.dial.number, settings.dial.timeout) == ("sofia/gateway/carrier/{number}", 60)
    assert (settings.speech.engine, settings.speech.voice, settings.speech.voices) == ("flite", "kal", {})
    assert (settings.webhooks.allow_networks, settings.webhooks.max_attempts) == ((), 8)
    assert settings.webhooks.per_origin == 20
    assert (settings.limits.recordings_per_call, settings.limits.calls) == (10, 2000)
    assert settings.limits.min_free_disk == 1024**3
    assert (settings.transcription.engine, settings.log.level, settings.log.format) == ("none", "info", "json")


def test_empty_values_have_their_defaults() -> None:
    """A section or key that is written without a value is as if it were not written."""
    empty = "http:\nmedia: ~\nlimits: {calls: null}\naccounts:\nlog:\n  level:\n"
    assert read(HEAD + empty) == read(HEAD)


def test_sample_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample file is itself valid, and shows what it says."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    settings = load(SAMPLE)
    assert settings.switches[0].password.get_secret_value() == "ClueCon"
    assert settings.routes[0].document == str(SAMPLE.parent / "documents/voicemail.swml.yaml")
    assert settings.accounts_by_name() == {
        "acme": Account(
            "acme",
            "signalwire",
            "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "7c9e6679-7425-40de-944b-e07fc1f90ae7",
            "t",
            "k",
            absent_below=1.0,
        )
    }


def test_sample_comments_are_true() -> None:
    """Every commented key of the sample, taken out of its comment, loads and is the default it claims to be."""
    text = SAMPLE.read_text()
    commented = re.compile(r"^( *)# ((?:- )?[a-z_]+:)(.*)$", re.MULTILINE)
    shown = commented.sub(lambda match: f"{match[1]}{match[2]}{match[3]}", text.split("  # Example:")[0])
    shown += commented.sub(r"\1\2\3", "#" + text.split("# Which parked call", 1)[1])
    assert shown.count(":") > 60
    assert parse(shown, environ=ENVIRON, base=SAMPLE.parent) == parse(text, environ=ENVIRON, base=SAMPLE.parent)


def every_key(model: type[BaseModel]) -> set[str]:
    keys = set(model.model_fields)
    for field in model.model_fields.values():
        for inner in module._models(field.annotation):
            keys |= every_key(inner)
    return keys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["fsrec.yaml: switches: is missing and has no default"]),
        ("switches: []", ["fsrec.yaml:1: switches: needs at least one entry"]),
        ("switches: x", ["fsrec.yaml:1: switches: should be a list"]),
        ("- a", ["fsrec.yaml:1: should be a mapping (key: value) of settings"]),
        ("hello", ["fsrec.yaml:1: should be a mapping (key: value) of settings"]),
        (HEAD + "swiches: 1", ["fsrec.yaml:2: swiches: unknown key; did you mean switches?"]),
        (HEAD + "swiches:", ["fsrec.yaml:2: swiches: unknown key; did you mean switches?"]),
        (HEAD + "zzz: 1", ["fsrec.yaml:2: zzz: unknown key"]),
        (HEAD + "'a\\nb': 1\n", ["fsrec.yaml:2: a\\nb: unknown key"]),
        (HEAD + '"a\\nb": 1\n', ["fsrec.yaml:2: a�b: unknown key"]),
        (HEAD + "http:\n  Listen: x", ["fsrec.yaml:3: http.Listen: unknown key; did you mean listen?"]),
        (HEAD + "http: 3", ["fsrec.yaml:2: http: should be a mapping (key: value)"]),
        (
            f"{HEAD}accounts: [{ACME}]\nroutes:\n  - destination: a\n    acount: acme\n    document: d",
            [
                "fsrec.yaml:4: routes[0].account: is missing and has no default",
                "fsrec.yaml:5: routes[0].acount: unknown key; did you mean account?",
            ],
        ),
        (
            f"{HEAD}accounts:\n- {{name: a, vendor: signalwire, project_id: p, api_tokn: {SECRET}}}",
            [
                "fsrec.yaml:3: accounts[0].api_token: is missing and has no default",
                "fsrec.yaml:3: accounts[0].api_tokn: unknown key; did you mean api_token?",
            ],
        ),
        (
            f"{HEAD}accounts: [{{name: a}}]",
            ["fsrec.yaml:2: accounts[0]: vendor is missing: signalwire, twilio or plivo"],
        ),
        (
            f"{HEAD}accounts: [{{name: a, vendor: bell}}]",
            ["fsrec.yaml:2: accounts[0]: vendor should be signalwire, twilio or plivo"],
        ),
        (
            f"{HEAD}accounts: [{ACME}]\nroutes: [{{destination: a, account: acne, document: c}}]",
            ["fsrec.yaml:3: routes[0].account: no account has this name; did you mean acme?"],
        ),
        (
            HEAD + "routes: [{destination: a, account: b, document: c}]",
            ["fsrec.yaml:2: routes[0].account: no account has this name"],
        ),
        (
            f"switches:\n- {SWITCH}\n- {SWITCH}",
            [
                "fsrec.yaml:3: switches[1].name: the same switch name as switches[0]",
                "fsrec.yaml:3: switches[1].port: the same event socket (host and port) as switches[0]",
            ],
        ),
        (
            f"{HEAD}accounts:\n- {ACME}\n- {ACME}",
            [
                "fsrec.yaml:4: accounts[1].name: the same account name as accounts[0]",
                "fsrec.yaml:4: accounts[1].project_id: the same project_id (one account each) as accounts[0]",
            ],
        ),
        (HEAD + "log: {level: loud}", ["fsrec.yaml:2: log.level: should be 'debug', 'info', 'warning' or 'error'"]),
        (HEAD + "limits: {calls: 0}", ["fsrec.yaml:2: limits.calls: should be greater than or equal to 1"]),
        (HEAD + "limits: {calls: many}", ["fsrec.yaml:2: limits.calls: should be a whole number"]),
        (
            HEAD + "webhooks: {max_attempts: 9}",
            ["fsrec.yaml:2: webhooks.max_attempts: should be less than or equal to 8"],
        ),
        (HEAD + "media: {require_auth: maybe}", ["fsrec.yaml:2: media.require_auth: should be true or false"]),
        (HEAD + "dial: {timeout: nan}", ["fsrec.yaml:2: dial.timeout: should be a finite number"]),
    ],
)
def test_refused(text: str, expected: list[str]) -> None:
    """Each mistake is told with file, line, place and what would be right; several at once."""
    assert problems(text) == expected


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("listen", "8080", "host:port"),
        ("listen", "::1:80", "host:port"),
        ("listen", ":80", "host:port"),
        ("listen", "[x]:80", "IPv6"),
        ("listen", "h:65536", "0 to 65535"),
        ("listen", "a b:1", "a name or an address"),
        ("listen", [], "should be text"),
        ("listen", "0.0.0.0:80", "public_url is needed"),
        ("listen", "[::]:80", "public_url is needed"),
        ("public_url", "rec.example.com", "https://rec.example.com"),
        ("public_url", "ftp://x", "https://rec.example.com"),
        ("public_url", "http://[x", "https://rec.example.com"),
        ("public_url", "http://x:99999", "https://rec.example.com"),
        ("public_url", "http://x y", "https://rec.example.com"),
        ("public_url", f"http://u:{SECRET}@x/", "no user, query or fragment"),
        ("public_url", "http://x/?", "no user, query or fragment"),
        ("public_url", "http://x/#a", "no user, query or fragment"),
        ("console_token", SECRET, "should be 16 characters or more"),
        ("console_token", "", "must not be empty"),
        ("console_token", f"{SECRET} ", "should be 16 characters or more"),
        ("console_token", f" {SECRET * 2}", "that can be typed"),
        ("console_token", [SECRET * 2], "console_token"),
    ],
)
def test_http_refused(key: str, value: object, words: str) -> None:
    """The listener's address and the public URL are checked before anything listens."""
    (told,) = problems(HEAD + yaml.safe_dump({"http": {key: value}}))
    assert words in told
    assert SECRET not in told


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("switches: [{name: 'a b', password: x, switch_path: /r, local_path: /r}]", "should be a name"),
        ("switches: [{name: a, password: '', switch_path: /r, local_path: /r}]", "password: must not be empty"),
        ("switches: [{name: a, host: '', password: a, switch_path: /r, local_path: /r}]", "host: must not be empty"),
        ("switches: [{name: a, password: x, port: 0, switch_path: /r, local_path: /r}]", "port: should be greater"),
        ("switches: [{name: a, password: x, switch_path: r, local_path: /r}]", "should be an absolute path"),
        ("switches: [{name: a, password: x, switch_path: /, local_path: /r}]", "should be an absolute path"),
        ("switches: [{name: a, password: x, switch_path: '/a b', local_path: /r}]", "should be an absolute path"),
        ("switches: [{name: a, password: x, switch_path: '/a/{b', local_path: /r}]", "should be an absolute path"),
        ("switches: [{name: a, password: x, switch_path: /a/../b, local_path: /r}]", "should be an absolute path"),
        ("switches: [{name: a, password: x, switch_path: /a/./b, local_path: /r}]", "should be an absolute path"),
        ("switches: [{name: a, password: x, switch_path: /r, local_path: ''}]", "local_path: must not be empty"),
        ("switches: [{name: a, password: x, switch_path: /r, local_path: [a]}]", "local_path: should be text"),
        (HEAD + "routes: [{destination: '(', account: a, document: d}]", "should be a regular expression"),
        (HEAD + "routes: [{destination: '[[a]', account: a, document: d}]", "should be a regular expression"),
        (
            HEAD + "routes: [{destination: 'a{4294967295}', account: a}]",
            "should be a regular expression",
        ),
        (HEAD + "webhooks: {allow_networks: [10.0.0.1/8]}", "host bits are set"),
        (HEAD + "webhooks: {allow_networks: [localhost]}", "it can't be read"),
        (HEAD + "webhooks: {allow_networks: 10.0.0.0/8}", "should be a list"),
        (HEAD + "limits: {min_free_disk: 1Gi}", "1GiB, 500MB"),
        (HEAD + "limits: {min_free_disk: -1}", "1GiB, 500MB"),
        (HEAD + "store: mysql://x/db", "store: should be sqlite, or a URL as in postgresql://"),
        (HEAD + "store: postgresql://u@h", "it names no database"),
        (HEAD + "store: postgresql://u@h/", "it names no database"),
        (HEAD + "store: postgresql://u@h/a/b", "it names no database"),
        (HEAD + "store: 'postgresql://u:a#b@h/db'", "in a password are written as"),
        (HEAD + "store: 'postgresql://u:p@h:x/db'", "in a password are written as"),
        (HEAD + "store: 'postgresql://u:a b@h/db'", "in a password are written as"),
        (HEAD + "store: postgresql://u@h:99999/db", "in a password are written as"),
        (HEAD + "store: postgresql://u@h,i/db", "should name one host"),
        (HEAD + "store: 'postgresql://u@h/db?password=x'", "should have no 'password' behind the question mark"),
        (HEAD + "store: 'postgresql://u@h/db?sslmode=yes'", "sslmode should be one of allow, disable, prefer"),
        (HEAD + "media: {store: /tmp}", "fsrec.yaml:2: media.store: should be s3://bucket/prefix"),
        (HEAD + "media: {store: s3://No}", "a bucket's name is 3 to 63 of a-z"),
        (HEAD + "media: {store: s3://bucket/a/../b}", "media.store: should be s3://bucket/prefix"),
        (HEAD + "media: {store: s3://bucket/a b}", "media.store: should be s3://bucket/prefix"),
        (HEAD + "media: {s3: {region: eu-west-1}}", "media: s3 says how a media store is reached, and there is none"),
        (
            HEAD + "media: {store: s3://bkt, s3: {access_key_id: a}}",
            "media.s3: access_key_id and secret_access_key go",
        ),
        (HEAD + "media: {store: s3://bkt, s3: {session_token: a}}", "media.s3: session_token belongs to"),
        (
            HEAD + "media: {store: s3://bkt, s3: {endpoint: minio:9000}}",
            "should be a URL as in https://minio.example",
        ),
        (
            HEAD + "media: {store: s3://bkt, s3: {endpoint: 'https://u:p@h'}}",
            "should have no user, query or fragment",
        ),
        (HEAD + "media: {store: s3://bkt, s3: {endpoint: 'http://minio:9000'}}", "say allow_http: true"),
        (HEAD + "media: {store: s3://bkt, s3: {endpoint: 'http://8.8.8.8'}}", "should begin with https://"),
        (HEAD + "media: {store: s3://bkt, s3: {regoin: x}}", "unknown key; did you mean region?"),
        (HEAD + "accounts: [{name: a, vendor: signalwire, project_id: '../x', api_token: t}]", "the vendor's id"),
    ],
)
def test_values_refused(section: str, words: str) -> None:
    """Values that would fail or do harm later are refused now."""
    assert any(words in told for told in problems(section))


@pytest.mark.parametrize(
    ("more", "below", "silent"),
    [("", 1.0, False), (", absent_below_seconds: 60, absent_when_silent: true", 60.0, True)],
)
def test_what_is_absent(more: str, below: float, silent: bool) -> None:
    """Each account says which recordings are too short, and whether silent ones count."""
    settings = parse(HEAD + f"accounts: [{{name: a, vendor: signalwire, project_id: p, api_token: t{more}}}]")
    account = settings.accounts_by_name()["a"]
    assert (account.absent_below, account.absent_when_silent) == (below, silent)


def test_how_a_daemon_is_reached(tmp_path: Path) -> None:
    """Of a file that is wrong elsewhere, or whose secrets are not known here; what is asked for must be right."""
    config = tmp_path / "fsrec.yaml"
    config.write_text(
        "switches: [{name: x, password: '${NOT_SET}'}]\nunknown: 1\ndata_dir: data\n"
        "http: {listen: '0.0.0.0:9000', public_url: 'https://h', console_token: '${NOT_SET}'}\n"
    )
    found = load_reach(config, {})
    assert (found.data_dir, str(found.http.nearby)) == (tmp_path / "data", "127.0.0.1:9000")
    config.write_text("")
    assert str(load_reach(config, {}).http.nearby) == "127.0.0.1:8080"
    for text, words in (
        ("http: {listen: '${NOT_SET}'}", ":1: http.listen: "),
        ("\ndata_dir: '${NOT_SET}'", ":2: data_dir: "),
        ("http: {listen: x}", "http.listen"),
        ("http: {tls_key: /k}", "tls_certificate"),
        ("a: [", "no valid YAML"),
    ):
        config.write_text(text)
        with pytest.raises(SettingsError, match=re.escape(words)):
            load_reach(config, {})


def test_absent_below_is_a_length() -> None:
    """No recording is shorter than nothing."""
    section = (
        HEAD + "accounts: [{name: a, vendor: signalwire, project_id: p, api_token: t, absent_below_seconds: -1}]"
    )
    assert any("absent_below_seconds" in told for told in problems(section))


@pytest.mark.parametrize(
    "section",
    [
        f"accounts: [{ACME}]\nunrouted_calls: acme",
    ],
)
def test_later_versions(section: str) -> None:
    """What the schema knows and this version can't do is refused plainly, never silently ignored."""
    (told,) = problems(HEAD + section)
    assert "not supported in this version: " in told
    assert SECRET not in told


def test_a_media_store() -> None:
    """A bucket and what the names begin with, how it is reached, and no secret where settings are shown."""
    reached = f"endpoint: 'http://127.0.0.1:9000/', access_key_id: AK{SECRET}, secret_access_key: {SECRET}"
    media = parse(HEAD + f"media: {{store: s3://bucket/a/b/, s3: {{{reached}, path_style: true}}}}").media
    assert str(media.store) == "s3://bucket/a/b"
    assert media.place() == {
        "bucket": "bucket",
        "prefix": "a/b",
        "endpoint": "http://127.0.0.1:9000",
        "region": None,
        "access_key_id": f"AK{SECRET}",
        "secret_access_key": SECRET,
        "session_token": None,
        "path_style": True,
    }
    assert SECRET not in repr(media)
    assert parse(HEAD).media.place() == {}


def test_where_copies_lie() -> None:
    """In data_dir, or where the settings say: in what daemons share."""
    assert read(HEAD).copies() == read(HEAD).data_dir / "media"
    assert read(HEAD + "media: {directory: /srv/copies}").copies() == Path("/srv/copies")


def test_a_database_of_ones_own() -> None:
    """Its URL goes to the store as it is; what is shown of it, and what logs hide, has no password."""
    assert read(HEAD).store_place() == str(read(HEAD).data_dir / "fsrec.db")
    url = f"postgresql://fsrec:%40{SECRET}@db.example.com:5433/recordings?sslmode=require"
    settings = read(HEAD + f"store: '{url}'")
    assert settings.store_place() == url
    assert str(settings.store) == "postgresql://fsrec@db.example.com:5433/recordings"
    assert SECRET not in repr(settings) + str(settings)
    assert {url, f"@{SECRET}"} <= secrets_of(settings)
    assert str(read(HEAD + "store: 'postgres:///fsrec?host=/run/postgresql'").store) == "postgresql:///fsrec"


def test_transcription() -> None:
    """The engine of one's own machine needs nothing; a server's has its URL and key, which nothing shows."""
    assert read(HEAD + "transcription: {engine: moonshine}").transcription.workers == 1
    server = (
        "transcription: {engine: openai, url: 'http://10.0.0.7:9000/v1', api_key: k3y-of-it, rate: 0.01, queue: 5}"
    )
    settings = read(HEAD + server).transcription
    assert (settings.url, settings.rate, settings.charge, settings.queue) == ("http://10.0.0.7:9000/v1", 0.01, 0.0, 5)
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "k3y-of-it"
    assert "k3y-of-it" not in repr(settings)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{engine: whisper}", "transcription.engine: should be 'none', 'moonshine' or 'openai'"),
        ("{engine: openai}", "transcription: url is needed by the engine openai, as in https://api.openai.com"),
        ("{engine: moonshine, url: 'http://x'}", "transcription: url can't be used: only the engine openai has them"),
        ("{api_key: a, model: b}", "transcription: api_key and model can't be used: only the engine openai has them"),
        ("{engine: openai, url: 'ftp://x'}", "should be a URL as in"),
        ("{engine: openai, url: 'http://u:p@x'}", "should have no user and no fragment: the key is api_key"),
        ("{engine: openai, url: 'http://x y'}", "should be a URL as in"),
        ("{engine: openai, url: 'http://a..b/'}", "should be a URL as in"),
        (f"{{engine: openai, url: 'http://{'a' * 64}.example'}}", "should be a URL as in"),
        ("{workers: 0}", "transcription.workers: should be greater than or equal to 1"),
        ("{workers: 65}", "transcription.workers: should be less than or equal to 64"),
        ("{queue: 0}", "transcription.queue: should be greater than or equal to 1"),
        ("{rate: -1}", "transcription.rate: should be greater than or equal to 0"),
        ("{charge: .nan}", "transcription.charge: should be a number"),
    ],
)
def test_refused_transcription(section: str, expected: str) -> None:
    """What can't be is refused at once, with the key and what would be right."""
    (told,) = problems(HEAD + f"transcription: {section}")
    assert expected in told


def test_dialling() -> None:
    """One endpoint for numbers, one for SIP URIs, with their placeholder; and how long anybody is rung."""
    dial = parse(
        HEAD + "dial: {number: 'loopback/{number}/out', sip: 'sofia/internal/{uri};fs_path=sip:gw', timeout: 30}"
    ).dial
    assert (dial.number, dial.sip) == ("loopback/{number}/out", "sofia/internal/{uri};fs_path=sip:gw")
    assert dial.timeout == 30.0


@pytest.mark.parametrize(
    ("section", "where", "words"),
    [
        ("dial: {number: sofia/gateway/x}", "dial.number", "with {number} in it"),
        ("dial: {number: 'sofia/x/{uri}'}", "dial.number", "with {number} in it"),
        ("dial: {sip: 'sofia/x/{number}'}", "dial.sip", "with {uri} in it"),
        ("dial: {number: '[a=b]sofia/x/{number}'}", "dial.number", "one FreeSWITCH endpoint"),
        ("dial: {number: 'sofia/x/{number},loopback/9'}", "dial.number", "one FreeSWITCH endpoint"),
        ("dial: {number: 'loopback/app=system:{number}'}", "dial.number", "app="),
        ("dial: {timeout: 601}", "dial.timeout", "less than or equal to 600"),
        ("speech: {engine: Flite}", "speech.engine", "as in flite, or none"),
        ("speech: {engine: 'unimrcp:a'}", "speech.engine", "a-z, 0-9 and _"),
        (f"speech: {{engine: {'a' * 33}}}", "speech.engine", "up to 32"),
        ("speech: {voice: 'kal|x'}", "speech.voice", "a voice of the engine"),
        ("speech: {voice: [kal]}", "speech.voice", "should be text"),
        ("speech: {voices: [kal]}", "speech.voices", "should be a mapping"),
        ("speech: {voices: {female: 'a b'}}", "speech.voices.female", "a voice of the engine"),
        ("speech: {voices: {female: {a: b}}}", "speech.voices.female", "should be text"),
        ("speech: {voices: {'fe male': slt}}", "speech.voices.fe male", "as in Polly.Salli"),
        ("speech: {voices: {en-US: slt, en-us: kal}}", "speech.voices", "are one name"),
        ("speech: {voises: {}}", "speech.voises", "did you mean voices?"),
    ],
)
def test_speech_refused(section: str, where: str, words: str) -> None:
    """An engine, a voice or a document's name that can't be one is refused in its line, with what is right."""
    (told,) = problems(HEAD + section)
    assert told.startswith(f"fsrec.yaml:2: {where}: ")
    assert words in told


def test_speech() -> None:
    """Engine, voice and the voices of a document are what was written; an engine may be none."""
    speech = read(
        HEAD + "speech: {engine: cepstral, voice: Allison-8k, voices: {Polly.Matthew: rms, en-GB: awb}}"
    ).speech
    assert (speech.engine, speech.voice) == ("cepstral", "Allison-8k")
    assert speech.voices == {"Polly.Matthew": "rms", "en-GB": "awb"}
    assert read(HEAD + "speech: {engine: none}").speech.engine == "none"


def test_accepted_values() -> None:
    """Values become what the rest of fsrec works with."""
    settings = read(
        "switches: [{name: fs1, host: '::1', port: '8022', password: 0123,"
        " switch_path: /var/r/, local_path: ../r}]\n"
        "http: {listen: '[::1]:0', public_url: 'HTTPS://Rec.Example.com/base//'}\n"
        f"accounts: [{ACME}]\n"
        "routes: [{destination: '^10[0-9]+$', account: acme, document: d/a.yaml, fallback: /b.json}]\n"
        "webhooks: {allow_networks: [10.0.0.0/8, 'fd00::/8']}\nlimits: {min_free_disk: 20 MB}\n"
    )
    switch = settings.switches[0]
    assert (switch.port, switch.password.get_secret_value(), switch.switch_path) == (8022, "0123", "/var/r")
    assert switch.local_path == Path("/etc/r")
    assert (settings.http.listen, settings.http.base_url(81)) == (Listen("::1", 0), "https://rec.example.com/base")
    assert settings.webhooks.allow_networks == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    assert settings.limits.min_free_disk == 20_000_000
    account = settings.accounts_by_name()["acme"]
    assert (account.identity, account.token, account.signing_key) == ("p", SECRET, SECRET)
    route = settings.route("1001")
    assert route is not None
    assert (route.document, route.fallback, route.method) == ("/etc/fsrec/d/a.yaml", "/b.json", "POST")
    assert settings.route("2001") is None


def test_documents_at_urls() -> None:
    """A route's documents may be URLs, kept as they are written, asked by the route's method."""
    text = (
        "{destination: a, account: acme, document: 'https://u:p@x/y?z=1', fallback: 'HTTP://[::1]:81', method: GET}"
    )
    route = read(HEAD + f"accounts: [{ACME}]\nroutes: [{text}]").routes[0]
    assert (route.document, route.fallback, route.method) == ("https://u:p@x/y?z=1", "HTTP://[::1]:81", "GET")


def test_how_a_url_is_asked() -> None:
    """Its fragment and the route's dialect say so; a Twilio account has no SWML."""
    url = "https://x/y#ct=2000&rc=2&rp=5xx,ct"
    text = f"{{destination: a, account: acme, document: '{url}', dialect: twiml}}"
    route = read(HEAD + f"accounts: [{ACME}]\nroutes: [{text}]").routes[0]
    assert (route.document, route.dialect) == (url, "twiml")
    twilio = f"{{name: t, vendor: twilio, account_sid: AC1, auth_token: {SECRET}}}"
    both = "routes: [{destination: a, account: t, document: 'https://x/y', dialect: swml}]"
    (told,) = problems(HEAD + f"accounts: [{twilio}]\n{both}")
    assert told.endswith("routes[0].dialect: accounts of twilio have no SWML")


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ("document: 'ftp://x/y'", "document: should be a file, or a URL as in https://"),
        ("document: 'https:///y'", "document: should be a file, or a URL as in https://"),
        ("document: 'https://x:99999/y'", "document: should be a file, or a URL as in https://"),
        ("document: 'https://x:0/y'", "document: should be a file, or a URL as in https://"),
        ("document: 'https://x/y z'", "document: should be a file, or a URL as in https://"),
        ("document: 'https://[x/y'", "document: should be a file, or a URL as in https://"),
        ("document: 'https://x/y#top'", "document: should have no fragment (#)"),
        ("document: 'https://x/y#rc=1&edge=x'", "document: should have no fragment (#)"),
        ("document: d, dialect: twiml", "dialect is how a document is asked of a URL"),
        ("document: 'https://x/y', dialect: plivo", "dialect: should be 'swml' or 'twiml'"),
        ("document: d, fallback: 'gopher://x'", "fallback: should be a file, or a URL as in https://"),
        ("document: d, fallback: e, method: GET", "method is how a document is asked of a URL"),
        ("document: 'https://x/y', method: PUT", "method: should be 'GET' or 'POST'"),
    ],
)
def test_urls_that_are_no_documents(route: str, words: str) -> None:
    """Each is refused where it stands; a method that nothing would be asked by is too."""
    (told,) = problems(HEAD + f"accounts: [{ACME}]\nroutes: [{{destination: a, account: acme, {route}}}]")
    assert words in told


def test_tls() -> None:
    """Certificate and key are paths, both or none; with them URLs are of https."""
    http = read(HEAD + "http: {tls_certificate: a.pem, tls_key: /b.pem}\n").http
    assert (http.tls_certificate, http.tls_key) == (Path("/etc/fsrec/a.pem"), Path("/b.pem"))
    assert http.base_url() == "https://127.0.0.1:8080"
    for half in ("tls_certificate", "tls_key"):
        (told,) = problems(HEAD + f"http: {{{half}: a.pem}}\n")
        assert told == "fsrec.yaml:2: http: TLS needs tls_certificate and tls_key; one of them is missing"


def test_who_is_believed() -> None:
    """Proxies are networks; downloads need credentials only where that is said."""
    settings = read(HEAD + "http: {trusted_proxies: [10.0.0.0/8, '::1']}\nmedia: {require_auth: true}\n")
    assert [str(network) for network in settings.http.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert settings.media.require_auth
    (told,) = problems(HEAD + "http: {trusted_proxies: [nginx]}\n")
    assert "http.trusted_proxies[0]: should be a network" in told


def test_the_consoles_token() -> None:
    """Long enough not to be guessed; in no repr. Without one only accounts, and the key of data_dir, sign in."""
    assert read(HEAD).http.console_token is None
    http = read(HEAD + f"http: {{console_token: {'x' * 16}}}").http
    assert http.console_token is not None
    assert http.console_token.get_secret_value() == "x" * 16
    assert "xxx" not in repr(http)


def test_base_url_of_a_free_port() -> None:
    """With port 0 and no public URL, URLs name the port that was taken."""
    assert read(HEAD + "http: {listen: '[::1]:0'}").http.base_url(4711) == "http://[::1]:4711"
    assert read(HEAD + "http: {listen: 'localhost:0'}").http.base_url(4711) == "http://localhost:4711"


def test_vendors_accounts() -> None:
    """Each vendor's account is one to the dialects: public id, the token that also signs."""
    token = SecretStr(SECRET)
    twilio = TwilioAccount(name="t", vendor="twilio", account_sid="AC1", auth_token=token)
    plivo = PlivoAccount(name="p", vendor="plivo", auth_id="MA1", auth_token=token)
    assert twilio.account() == Account("t", "twilio", "AC1", "", SECRET, SECRET, 1.0)
    assert plivo.account() == Account("p", "plivo", "MA1", "", SECRET, SECRET)


def test_plivos_accounts() -> None:
    """A subaccount's main account signs as well; V2 of the signatures is a wish; silence and prices as elsewhere."""
    settings = read(
        HEAD
        + "accounts: [{name: p, vendor: plivo, auth_id: SA1, auth_token: own, main_auth_token: main,"
        + " older_signatures: true, absent_when_silent: true, price_per_minute: 0.5}]"
    )
    assert settings.accounts_by_name()["p"] == Account(
        *("p", "plivo", "SA1", "", "own", "own"),
        absent_when_silent=True,
        price_per_minute=0.5,
        main_token="main",
        older_signatures=True,
    )
    assert not re.search("own|main", repr(settings.accounts_by_name()["p"]))


PLIVO = "{name: p, vendor: plivo, auth_id: MA1, auth_token: t}"


def test_hangup_urls() -> None:
    """Of a Plivo account, told by the route's method, which may be there for it alone; its fragment says how."""
    route = "{destination: a, account: p, document: d, method: GET, hangup_url: 'https://x/y?z=1#rc=2&rp=5xx'}"
    (found,) = read(HEAD + f"accounts: [{PLIVO}]\nroutes: [{route}]").routes
    assert (found.hangup_url, found.method, found.dialect) == ("https://x/y?z=1#rc=2&rp=5xx", "GET", None)


@pytest.mark.parametrize(
    ("account", "written", "words"),
    [
        (ACME, "hangup_url: 'https://x/y'", "routes[0].hangup_url: accounts of signalwire have no hangup URLs"),
        (PLIVO, "hangup_url: hangup.php", "routes[0].hangup_url: should be a URL as in https://"),
        (PLIVO, "hangup_url: 'ftp://x/y'", "routes[0].hangup_url: should be a URL as in https://"),
        (PLIVO, "hangup_url: 'https://x/y z'", "routes[0].hangup_url: should be a URL as in https://"),
        (PLIVO, "hangup_url: 'https://x/y#top'", "routes[0].hangup_url: should have no fragment (#)"),
        (PLIVO, "dialect: swml", "routes[0].dialect: accounts of plivo have no SWML"),
        (PLIVO, "dialect: twiml", "routes[0].dialect: accounts of plivo have no TwiML"),
    ],
)
def test_what_only_other_vendors_have(account: str, written: str, words: str) -> None:
    """A hangup URL of another vendor's account, a URL that is none, a dialect of another's: named with their line."""
    name = "p" if account is PLIVO else "acme"
    route = f"{{destination: a, account: {name}, document: 'https://x/d', {written}}}"
    (told,) = problems(HEAD + f"accounts: [{account}]\nroutes: [{route}]")
    assert words in told


def test_built_in_code() -> None:
    """Settings made without a file take values as they are, and come to the same."""
    values: dict[str, Any] = {
        "switches": [{"name": "fs1", "password": "x", "switch_path": "/r", "local_path": Path("/r")}],
        "http": {"listen": Listen("127.0.0.1", 8080)},
        "data_dir": Path("/etc/fsrec/data"),
        "accounts": [
            {"name": "a", "vendor": "signalwire", "project_id": "p", "api_token": "t"},
        ],
        "routes": [{"destination": re.compile("^1"), "account": "a", "document": Path("/d")}],
        "webhooks": {"allow_networks": [ipaddress.ip_network("127.0.0.0/8")]},
        "limits": {"min_free_disk": 7},
    }
    settings = Settings.model_validate(values)
    assert settings.routes[0].document == "/d"
    assert settings.limits.min_free_disk == 7
    assert settings.model_copy(update={"routes": (), "accounts": ()}).data_dir == read(HEAD).data_dir
    assert Settings(switches=settings.switches).data_dir == Path.cwd() / "data"


def test_environment() -> None:
    """${NAME} is replaced wherever a value is text, $${ is a literal, and a value from outside makes no YAML."""
    settings = read(
        "switches: [{name: fs1, port: '${PORT}', password: 'a${P}b$${P}$', switch_path: /r, local_path: /r}]",
        PORT="9",
        P="x: [",
    )
    assert settings.switches[0].port == 9
    assert settings.switches[0].password.get_secret_value() == "ax: [b${P}$"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("${NOPE}", "environment variable NOPE is not set"),
        ("${}", "must name an environment variable"),
        ("${a-b}", "must name an environment variable"),
        ("${BAD}", "control character U+000A is not allowed"),
        ("${ALIEN}", "control character U+DCFF is not allowed"),
    ],
)
def test_environment_refused(value: str, words: str) -> None:
    """A missing variable is named with its place; what it holds never appears."""
    text = f"switches:\n- {{name: fs1, switch_path: /r, local_path: /r,\n   password: '{value}'}}"
    (told,) = problems(text, BAD=f"{SECRET}\n", ALIEN="\udcff")
    assert told.startswith("fsrec.yaml:3: switches[0].password: ")
    assert words in told
    assert SECRET not in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "fsrec.yaml:1: no valid YAML"),
        ("a: b\n---\nc: d", "fsrec.yaml:2: no valid YAML"),
        ("a: *x", "fsrec.yaml:1: no valid YAML"),
        ("a: b\nc: \x07", "fsrec.yaml:2: no valid YAML: character U+0007"),
        (HEAD + "log: {}\nlog: {}", "fsrec.yaml:3: log: given twice; first on line 2"),
        (HEAD + "log: {level: info, level: info}", "fsrec.yaml:2: log.level: given twice; first on line 2"),
        (HEAD + "? [a]\n: b", "fsrec.yaml:2: a key must be a word"),
        (HEAD + "<<: {}", "fsrec.yaml:2: <<: unknown key"),
        (HEAD + "http: {public_url: !!python/name:os.system x}", "has no meaning here"),
        (HEAD + "http: &a {public_url: *a}", "an alias that contains itself"),
        (HEAD + 'http: {public_url: "a\\tb"}', "control character U+0009"),
        ("a: " + "[" * 500, "nested too deeply"),
    ],
)
def test_yaml_refused(text: str, words: str) -> None:
    """What is no plain YAML mapping is refused with its line: broken, doubled, tagged, recursive, too deep."""
    assert any(words in told for told in problems(text)), problems(text)


def test_yaml_bomb() -> None:
    """Aliases that multiply are stopped by a count of values."""
    levels = "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12))
    told = problems("a0: &a0 [x]\n" + levels)
    assert any("more than 20000 values" in line for line in told)


def test_files(tmp_path: Path) -> None:
    """A file that can't be read is told like any other problem; relative paths count from the file."""
    path = tmp_path / "fsrec.yaml"

    def told() -> str:
        with pytest.raises(SettingsError) as caught:
            load(path)
        return str(caught.value).removeprefix(str(path))

    assert told() == ": can't be read: No such file or directory"
    path.mkdir()
    assert told() == ": can't be read: Is a directory"
    path.rmdir()
    path.write_bytes(b"a: b\nc: \xff")
    assert told() == ":2: no valid UTF-8"
    path.write_bytes(b"#" * 1_048_577)
    assert "larger than 1048576 bytes" in told()
    path.write_text(HEAD)
    assert load(path).data_dir == tmp_path / "data"


def test_secrets_stay_secret() -> None:
    """No secret is in the repr of settings or accounts, nor in what a wrong construction says."""
    settings = read(
        f"switches: [{{name: a, password: {SECRET}, switch_path: /r, local_path: /r}}]\naccounts: [{ACME}]"
    )
    assert SECRET not in repr(settings) + str(settings) + repr(settings.accounts_by_name())
    with pytest.raises(ValueError, match="frozen"):
        settings.store = "sqlite"  # type: ignore[misc]  # the point: it can't be set
    with pytest.raises(ValueError, match="switches") as caught:
        Settings.model_validate({"switches": [{"password": SECRET, "nmae": SECRET}]})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1024", 1024),
        ("1 kB", 1000),
        ("1KiB", 1024),
        ("3mib", 3 * 1024**2),
        ("2GB", 2 * 10**9),
        ("1TiB", 2**40),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """Sizes are bytes, decimal and binary units apart."""
    assert parse_size(text) == size


@given(st.from_regex(r"[a-z0-9.-]{1,20}|[0-9a-f]{1,4}::[0-9a-f]{1,4}", fullmatch=True), st.integers(0, 65535))
def test_listen_round_trip(host: str, port: int) -> None:
    """A listener's address is printed as it is read."""
    listen = Listen(str(ipaddress.ip_address(host)) if ":" in host else host, port)
    assert Listen.parse(str(listen)) == listen


KEYS = sorted(every_key(Settings))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["acme", "signalwire", "twilio", "sqlite", "^1$", "127.0.0.1:0", "1GiB", "/r", "${A}", "http://x"]
    ),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=15,
)


def refusal(text: str) -> SettingsError | None:
    """Return how a text is refused; anything but SettingsError goes through."""
    try:
        parse(text, environ={"A": "b"})
    except SettingsError as error:
        return error
    return None


@given(st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), TREES, max_size=6))
def test_any_tree(tree: dict[str, Any]) -> None:
    """Whatever the file says, it is accepted or refused with problems of a line each; nothing else is raised."""
    text = HEAD + yaml.safe_dump({key: value for key, value in tree.items() if key != "switches"}, allow_unicode=True)
    error = refusal(text)
    assert error is None or len(str(error).splitlines()) == len(error.problems) > 0


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("[]{}:-,&*!|>'\"%@`\n #?$"), max_size=60))
def test_any_text(text: str) -> None:
    """No text makes anything but SettingsError."""
    for head in ("", HEAD):
        error = refusal(head + text)
        assert error is None or error.problems


@given(st.binary(max_size=40))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """No bytes in the file make anything but SettingsError."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(raw)
    with pytest.raises(SettingsError):
        load(path)


@given(
    st.recursive(
        st.just(SECRET),
        lambda inner: st.one_of(
            st.lists(inner, max_size=2),
            st.dictionaries(
                st.sampled_from(
                    ["name", "vendor", "password", "api_token", "public_url", "store", "project_id", "host"]
                ),
                inner | st.just("signalwire"),
                max_size=6,
            ),
        ),
        max_leaves=8,
    ),
    st.sampled_from(sorted(Settings.model_fields)),
)
def test_no_value_in_problems(value: Any, section: str) -> None:
    """A value, which may be a secret in the wrong place, is in no problem's text."""
    error = refusal(yaml.safe_dump({section: value}))
    assert error is not None
    assert SECRET not in str(error) + repr(error)
