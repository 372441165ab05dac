"""What a name from outside can reach: only what is in a table of ours."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from starlette.requests import Request

from kana.dashboard.assets import FOLDER, PREFIX, answer_asset, assets
from kana.dashboard.pages import ROUTES
from kana.model.colleague import Role
from kana.model.environment import Environment
from tests.dashboard.desk import Desk


def tricks(target: Path) -> Iterator[str]:
    """What may be put behind an address to reach a file of the machine, each as it stands in a request's line."""
    absolute, up = str(target), "../" * 12 + str(target).lstrip("/")
    for plain in (absolute, up):
        yield plain
        yield quote(plain, safe="")
        yield quote(quote(plain, safe=""), safe="")
        yield quote(plain.replace("/", "\\"), safe="\\")
        yield plain.replace("..", "%2e%2e")
        yield plain.replace("..", "..;")
        yield plain.replace("..", "....")
        yield plain.replace("../", "..%c0%af")
        yield f"{plain}%00.css"
        yield f"kana.css%00{plain}"
        yield f"kana.css/../{plain}"
        yield f"vendor/..%2f{plain}"
    yield f"file:{absolute}"
    yield f"//host.example{absolute}"
    yield f"?name={quote(absolute)}&id={quote(up, safe='')}&file={quote(absolute)}&import={quote(up)}"
    yield f"?id={quote(up)}%00&q=%ff%fe"
    yield "x" * 400
    yield "x" * 5_000
    yield "%F0%9F%A6%8A" * 100
    yield "%ED%A0%BD"
    yield "%EF%BC%8F..%EF%BC%8F..%E2%88%95etc"
    yield "."
    yield ".."
    yield "%"
    yield "%00"


class Line:
    """A connection that sends a request's line as it is given, which no library does."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._address = (parts.hostname, parts.port)

    def ask(self, target: str, *, method: str = "GET", cookie: str = "") -> tuple[int, bytes]:
        """Return the status and the whole answer."""
        head = f"{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: 0\r\n"
        head += f"cookie: {cookie}\r\n" if cookie else ""
        with socket.create_connection(self._address, timeout=30) as connection:
            connection.sendall(f"{head}\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        return int(answer.split(b" ", 2)[1]), answer


def addresses(desk: Desk) -> list[str]:
    """Every address there is: the programs', the pages' of each environment, and the files'."""
    pages = {
        f"/{environment}{route.path}" if route.in_environment else route.path
        for route in ROUTES
        for environment in Environment
    }
    return sorted({*desk.served.app.paths, *pages, PREFIX, f"{PREFIX}kana.css", f"{PREFIX}vendor/"})


@pytest.mark.parametrize("signed_in", [False, True], ids=["a stranger", "an owner"])
def test_no_address_reads_a_file_of_the_machine(desk: Desk, tmp_path: Path, signed_in: bool) -> None:
    """Each address with each trick is answered without a fault of ours and without what the file holds."""
    canary = tmp_path / "canary"
    canary.write_text("sings-in-the-mine")
    cookie = f"kana-session={desk.colleague(Role.OWNER).http.cookies['kana-session']}" if signed_in else ""
    line, wrong = Line(desk.served.url), []
    for address in addresses(desk):
        for trick in (*tricks(canary), quote(str(desk.place), safe="")):
            target = f"{address}{trick}" if trick.startswith("?") else f"{address.rstrip('/')}/{trick}"
            status, answer = line.ask(target, cookie=cookie)
            if status >= 500 or b"sings-in-the-mine" in answer or b"SQLite format" in answer:
                wrong.append((status, target[:200]))
    assert wrong == []


def test_the_test_knows_a_file_when_it_is_served(desk: Desk) -> None:
    """The control: by the same way of asking, a file of ours is there."""
    status, answer = Line(desk.served.url).ask("/static/kana.css")
    assert (status, (FOLDER / "kana.css").read_bytes() in answer) == (200, True)


@pytest.mark.parametrize("name", ["//etc/hostname", "%2Fetc%2Fhostname", "x" * 400, "x" * 5_000, "..", ""])
def test_what_is_not_listed_is_not_there(desk: Desk, name: str) -> None:
    """An absolute name and one that no file system takes are 404 like any other."""
    assert Line(desk.served.url).ask(f"{PREFIX}{name}")[0] == 404


def test_files_that_came_later_are_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is served was listed at the start: no request looks into the folder, nor makes anything be kept."""
    known = dict(assets())
    (tmp_path / "late.css").write_text("late")
    monkeypatch.setattr("kana.dashboard.assets.FOLDER", tmp_path)
    for name in ("late.css", "kana.css/../late.css", str(tmp_path / "late.css"), *map(str, range(300))):
        scope = {"type": "http", "method": "GET", "path": f"{PREFIX}{name}", "query_string": b"", "headers": []}
        assert answer_asset(Request(scope)).status_code == 404
    assert dict(assets()) == known


def test_the_host_says_nothing_about_the_path(desk: Desk) -> None:
    """A Host with a path in it changes neither which page is meant nor where its reader is sent."""
    answer = desk.guest().http.get("/test/packages?q=a", headers={"Host": "127.0.0.1/static/kana.css?"})
    seen = (answer.status_code, answer.headers.get("location"))
    assert seen in [(303, "/login?next=%2Ftest%2Fpackages%3Fq%3Da"), (400, None)]
