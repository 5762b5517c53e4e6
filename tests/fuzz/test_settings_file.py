"""Any YAML is settings, or errors that say where and what; no secret of it is in any error."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.settings import Settings, SettingsError, load, parse
from tests.fuzz.profile import fuzz
from tests.fuzz.texts import HOSTILE, json_values, spoiled, texts

SAMPLE = (Path(__file__).parents[2] / "fsrec.sample.yaml").read_text()
ENVIRON = {"FSREC_ESL_PASSWORD": "ClueCon", "FSREC_API_TOKEN": "t", "FSREC_SIGNING_KEY": "k"}
LINES = [line for line in SAMPLE.splitlines() if line.strip() and not line.lstrip().startswith("#")]
SHOWN = re.compile(r"^( *)# ((?:- )?[a-z_]+:.*)$", re.MULTILINE).sub(r"\1\2", SAMPLE)
"""The sample with all that is commented out in it."""

SECRET = "Zq7-s3cret"


def judged(text: str) -> Settings | None:
    """The settings of a text; where it has none, each of its problems is a line that says where and what."""
    try:
        return parse(text, "fsrec.yaml", Path("/etc/fsrec"), ENVIRON)
    except SettingsError as error:
        problems = error.problems
    assert problems
    lines = len(re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text))
    for problem in problems:
        assert 0 <= problem.line <= lines
        assert problem.message
        assert str(problem).isprintable()
        assert len(str(problem)) < 2_000
    return None


@st.composite
def changed(draw: st.DrawFn) -> str:
    """The sample with some of its values, or of its keys, being others."""
    lines = list(draw(st.sampled_from((LINES, SHOWN.splitlines()))))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        key, colon, _ = lines[at].partition(":")
        value = draw(st.sampled_from(HOSTILE) | texts | st.builds(repr, json_values))
        lines[at] = draw(st.sampled_from((f"{key}{colon} {value}", f"{value}: 1", f"{key}{value}: 1", f"{key}:")))
    return "\n".join(lines)


@fuzz(60)
@given(changed() | spoiled(st.just(SAMPLE)) | spoiled(st.just(SHOWN)))
@example("%YAML 1." + "1" * 5_000 + "\n---\na: 1")
@example('a: "\\UFFFFFFFF"')
@example("a: *b")
@example("- " * 5_000)
@example("a: &a [*a]")
@example("\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9 if n else ['x'])}]" for n in range(12)))
@example("switches: " + "[" * 3_000)
@example("? {a: b}\n: c")
@example("<<: {a: b}\n<<: {a: b}")
def test_any_yaml_is_settings_or_errors(text: str) -> None:
    """The sample changed, spoiled, or YAML that is dangerous to its reader."""
    judged(text)


@fuzz(60)
@given(st.binary(max_size=40) | st.builds(lambda text: text.encode("utf-8", "surrogatepass"), texts))
@example(b"\xff\xfea\x00:\x00")
@example(b"\x00" * 100)
def test_any_file_is_settings_or_errors(tmp_path_factory: object, content: bytes) -> None:
    """Bytes that are no text at all, and a file that is none."""
    path = Path(tmp_path_factory.getbasetemp()) / "fsrec.yaml"  # type: ignore[attr-defined]
    path.write_bytes(content)
    for tried in (path, path.parent, path / "x"):
        with contextlib.suppress(SettingsError):
            load(tried, ENVIRON)


WRITTEN = (
    *("{}", "'{}'", '"{}"', "*{}", "!{} x", "&{} x", "&{0} *{0}", "!!{} x", "%{}", "@{}", "[{}]", "{{a: {}}}", "|{}"),
    *(">{}", "{}: x", "- {}", "'{}", '"{}', '"\\x{}"', "${{{}", "`{}", "!a!{} x", "{}\x07", "{}\n  {}: {}"),
)


@pytest.mark.parametrize("written", WRITTEN)
def test_no_secret_is_in_an_error(written: str) -> None:
    """However a password is quoted, mistyped or misread."""
    secret = written.format(SECRET, SECRET, SECRET)
    switch = f"switches:\n  - {{name: a, host: h, switch_path: /r, local_path: /r}}\n    password: {secret}\n"
    account = f"accounts:\n  - name: acme\n    vendor: signalwire\n    project_id: p\n    api_token: {secret}\n"
    for text in (switch, account, switch + account):
        with pytest.raises(SettingsError) as caught:
            parse(text, "fsrec.yaml", Path("/etc/fsrec"), {})
        assert SECRET not in str(caught.value)
