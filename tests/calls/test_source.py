"""Documents from files: bounded, read once while they do not change, a clear error for whatever is no document."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from controller.calls import source
from controller.calls.ports import Languages
from controller.calls.source import KEPT, LIMIT, Files, SourceFailed, Sources, read_file
from controller.documents.dialect import Account
from controller.documents.fetch import FetchFailed, Patience, Render
from controller.documents.fragments import Retried
from controller.documents.steps import Fetched
from tests.calls.world import ACCOUNT, ScriptDialect, running


async def test_a_document_is_read(tmp_path: Path) -> None:
    """Text as UTF-8, a byte order mark taken off; of exactly the limit at most."""
    path = tmp_path / "a.yaml"
    path.write_bytes("\ufeffmain: [ä]".encode())
    assert await Files().read(str(path)) == read_file(path) == "main: [ä]"
    path.write_bytes(b"x" * LIMIT)
    assert len(await Files().read(str(path))) == LIMIT


async def test_a_document_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known ones cost one stat; a change of size, time or file is seen at once."""
    reads: list[str] = []
    real = source._read

    def counted(name: str) -> tuple[tuple[int, int, int], str]:
        reads.append(name)
        return real(name)

    monkeypatch.setattr(source, "_read", counted)
    path, files = tmp_path / "a.yaml", Files()
    path.write_text("one")
    assert [await files.read(str(path)) for _ in range(3)] == ["one"] * 3
    assert len(reads) == 1
    path.write_text("three")
    assert await files.read(str(path)) == "three"
    other = tmp_path / "b.yaml"
    other.write_text("thref")
    found = path.stat()
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)
    assert await files.read(str(path)) == "thref"
    path.unlink()
    with pytest.raises(SourceFailed, match="No such file"):
        await files.read(str(path))
    assert len(reads) == 3


async def test_what_is_kept_of_documents(tmp_path: Path) -> None:
    """As many as are asked for often: of more, those asked for the longest ago are forgotten, and read again."""
    files = Files()
    names = [str(tmp_path / f"{number}.yaml") for number in range(KEPT + 10)]
    for name in names:
        Path(name).write_text(name)
        assert await files.read(name) == name
        await files.read(names[0])
    assert len(files._known) == KEPT
    assert names[0] in files._known
    assert names[1] not in files._known
    assert await files.read(names[1]) == names[1]


async def test_what_is_no_document(tmp_path: Path) -> None:
    """Each error names the file, what is wrong, and what would be right; none waits, none reads without end."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "big").write_bytes(b"x" * (LIMIT + 1))
    (tmp_path / "latin").write_bytes(b"ab\xe4")
    cases = {
        str(tmp_path / "none"): "No such file or directory; name a file that fsrec may read",
        str(tmp_path): "not a regular file; name one that fsrec may read",
        str(tmp_path / "fifo"): "not a regular file; name one that fsrec may read",
        "/dev/zero": "not a regular file; name one that fsrec may read",
        str(tmp_path / "big"): f"{LIMIT + 1} bytes; a document may have {LIMIT}",
        str(tmp_path / "latin"): "byte 2 is not UTF-8; save the document as UTF-8",
        "ftp://127.0.0.1/doc": "documents come from files, or from http and https URLs",
        "a\0b": "no file has such a name; name a file that fsrec may read",
        "\ud800": "no file has such a name; name a file that fsrec may read",
    }
    for path, why in cases.items():
        with pytest.raises(SourceFailed) as refused:
            await Files().read(path)
        assert str(refused.value) == f"{path}: {why}"
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count is all that is wanted
    for _ in range(20):
        with pytest.raises(SourceFailed):
            read_file(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above


async def test_a_file_that_goes_between_stat_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same error as for one that was never there."""
    path = tmp_path / "a.yaml"
    path.write_text("one")
    mark = source._mark

    def vanish(found: os.stat_result) -> tuple[int, int, int]:
        path.unlink(missing_ok=True)
        return mark(found)

    monkeypatch.setattr(source, "_mark", vanish)
    with pytest.raises(SourceFailed, match="No such file"):
        await Files().read(str(path))


async def test_without_a_fetcher_documents_come_from_files() -> None:
    """A URL is refused, without its credentials, whoever asks."""
    sources = Sources(Languages({}))
    with pytest.raises(SourceFailed, match=r"^http://h/a: documents come from files only"):
        await sources.fetched("http://u:p@h/a", "POST", running(), ACCOUNT, ScriptDialect({}))
    with pytest.raises(SourceFailed, match=r"^http://h/a: signalwire accounts have documents in files only"):
        sources.asking(ACCOUNT, "http://u:p@h/a")


@pytest.mark.parametrize(
    ("text", "vendor", "name"),
    [
        ("main: []", "signalwire", "swml"),
        ("\ufeff \r\n\t<Response/>", "signalwire", "twiml"),
        ("", "signalwire", "swml"),
        ("<Response/>", "twilio", "twiml"),
        ("", "twilio", "twiml"),
        ("Not found", "twilio", "twiml"),
        ("<Response/>", "plivo", None),
    ],
)
def test_a_documents_kind_is_told_by_its_content(text: str, vendor: str, name: str | None) -> None:
    """Twilio's are TwiML, SignalWire's too where they are XML and SWML else; a dialect that is not there is None."""
    languages = Languages({"swml": ScriptDialect({}, "swml"), "twiml": ScriptDialect({}, "twiml")})
    found = languages.of(text, vendor)
    assert (None if found is None else found.name) == name


class Flaky:
    """`documents.fetch.Fetcher` whose first answers are failures of some kinds."""

    def __init__(self, *kinds: Retried | None) -> None:
        self.kinds = list(kinds)
        self.totals: list[float] = []

    async def fetch(self, method: str, url: str, render: Render, patience: Patience, limit: int) -> bytes:
        render(method, url)
        render("GET", f"{url}/moved")
        self.totals.append(patience.total)
        if self.kinds:
            raise FetchFailed("away", self.kinds.pop(0))
        return b"text"


class Patient(ScriptDialect):
    """A dialect whose vendor tries so often."""

    def __init__(self, retries: int, *retried: Retried) -> None:
        super().__init__({})
        self.tries = retries, frozenset(retried)

    def patience(self, account: Account, url: str) -> Patience:
        return Patience(1.0, 1.0, 15.0, 3, *self.tries)


async def had(fetcher: Flaky, dialect: Patient) -> Fetched:
    return await Sources(Languages({}), {}, fetcher).fetched("http://h/a", "POST", running(), ACCOUNT, dialect)


CONNECT, READ, STATUS = Retried.CONNECT, Retried.READ, Retried.STATUS_5XX


@pytest.mark.parametrize(
    ("kinds", "dialect", "tries"),
    [
        ((), Patient(1, CONNECT), 1),
        ((CONNECT,), Patient(1, CONNECT), 2),
        ((CONNECT, CONNECT), Patient(2, CONNECT), 3),
        ((STATUS, READ), Patient(3, Retried.ALL), 3),
    ],
)
async def test_a_document_is_asked_for_as_often_as_the_vendor_does(
    kinds: tuple[Retried, ...], dialect: Patient, tries: int
) -> None:
    """After failures of the kinds that are tried again, in the time of all; it lay where the last redirect led."""
    fetcher = Flaky(*kinds)
    assert await had(fetcher, dialect) == Fetched("text", "http://h/a/moved")
    assert len(fetcher.totals) == tries
    assert fetcher.totals[0] == 15.0
    assert sorted(fetcher.totals, reverse=True) == fetcher.totals


@pytest.mark.parametrize(
    ("kinds", "dialect", "tries"),
    [
        ((CONNECT,), Patient(0, CONNECT), 1),
        ((READ,), Patient(1, CONNECT), 1),
        ((STATUS,), Patient(1, CONNECT, READ), 1),
        ((None,), Patient(5, Retried.ALL), 1),
        ((CONNECT, CONNECT), Patient(1, CONNECT), 2),
    ],
)
async def test_a_document_that_is_not_asked_for_again(
    kinds: tuple[Retried | None, ...], dialect: Patient, tries: int
) -> None:
    """Failures of other kinds, and one too many."""
    fetcher = Flaky(*kinds)
    with pytest.raises(SourceFailed, match="http://h/a: away"):
        await had(fetcher, dialect)
    assert len(fetcher.totals) == tries
