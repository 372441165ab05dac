"""What a stranger sends amiss is the stranger's fault: no address answers it with an error of ours."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from kana.model.colleague import Role
from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.dashboard.desk import Desk
from tests.dashboard.test_path_tricks import addresses
from tests.support.stores import SqlitePlace

HALF = "%22%5Cud83d%22"
DEEP = "%5B" * 5000

COOKIES = {
    f"kana-{name}={value}"
    for name in ("notice", "ticket", "theme", "session", "known")
    for value in (
        f"%7B%22text%22%3A{HALF}%7D",
        DEEP,
        f"%7B%22text%22%3A{DEEP[:12000]}",
        "%7B%22text%22%3A" + "1" * 5000 + "%7D",
        "%7B%22text%22%3ANaN%7D",
        "%7B%22state%22%3A%22s%22%2C%22nonce%22%3A1%2C%22verifier%22%3A%5B%5D%2C%22next%22%3A%7B%7D%7D",
        "[]",
        "%00",
        "%ff%fe",
        "\xff",
        '"',
        "",
    )
}

MULTIPART = "multipart/form-data"
BODIES: list[tuple[str, bytes]] = [
    (MULTIPART, b"--x\r\n\r\n"),
    (f"{MULTIPART}; boundary=", b"--\r\n\r\n"),
    (f"{MULTIPART}; boundary={'b' * 5000}", b"--b"),
    (f"{MULTIPART}; boundary=x", b"nonsense"),
    (f"{MULTIPART}; boundary=x", b"--x\r\n\r\nvalue\r\n--x--\r\n"),
    (f"{MULTIPART}; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n--x--\r\n"),
    (f"{MULTIPART}; boundary=x", b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n\xff\xfe\r\n--x--\r\n'),
    (f"{MULTIPART}; boundary=x", b"--x\r\nContent-Disposition: form-data; name*=UTF-8''%ff\r\n\r\nv\r\n--x--\r\n"),
    *(
        (
            f"{MULTIPART}; boundary=x; charset={charset}",
            b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n+2AA- \\ud83d\xff\r\n--x--\r\n',
        )
        for charset in ("punycode", "idna", "hex", "utf-7", "unicode_escape", "raw_unicode_escape", "undefined", "%00")
    ),
    ("application/x-www-form-urlencoded", b"csrf=%ff%fe&csrf=%00&=&&a=b=c&%ED%A0%BD=%ED%A0%BD"),
    ("application/x-www-form-urlencoded; charset=punycode", b"csrf=x"),
    ("application/x-www-form-urlencoded", b"&".join(b"a%d=b" % number for number in range(25_000))),
    ("application/json", b'{"query": "\\ud83d"}'),
    ("application/json", b"[" * 50_000),
    ("application/json; charset=punycode", b"{}"),
    ("application/cloudevents+json", b'{"id": "\\ud83d"}'),
    ("application/x-ndjson", b"\xff\n\x00\n{}\n"),
    ("\xff", b"\xff"),
    ("", b""),
]

HEADERS: list[tuple[str, str]] = [
    ("Host", "[::1"),
    ("Host", "a:b"),
    ("Host", "\xff"),
    ("Host", ""),
    ("Origin", "http://[::1"),
    ("Origin", "\xff"),
    ("Referer", "http://[::1"),
    ("Accept", "\xff;q=x"),
    ("Accept-Language", "\xff"),
    ("Authorization", "Basic \xff"),
    ("Authorization", "Bearer \x80"),
    ("X-User-ID", "%ff%ED%A0%BD"),
    ("X-User-ID", "\xff"),
    ("X-Request-Id", "\xff"),
    ("X-Forwarded-For", "\xff, [::1, unknown"),
    ("X-Forwarded-Proto", "\xff"),
    ("Forwarded", 'for="[::1;proto=\xff'),
    ("Content-Encoding", "gzip"),
    ("Range", "bytes=9-1"),
    ("If-None-Match", "\xff"),
    ("If-Modified-Since", "yesterday"),
    ("HX-Request", "\xff"),
    ("Sec-Fetch-Site", "\xff"),
    ("Access-Control-Request-Headers", "\xff"),
    ("ce-id", "%ff"),
    ("ce-specversion", "\xff"),
]

QUERIES = [
    "%ff=%fe",
    "id=%ED%A0%BD",
    "id=%00",
    "id=" + "x" * 5000,
    "page=-1&limit=x",
    "from=%ff&to=9999-99-99",
    "&&=&",
    "[",
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A dashboard that is shared by tests that change nothing."""
    with Desk(SqlitePlace(tmp_path_factory.mktemp("odd") / "kana.db")) as desk:
        yield desk


def raw(url: str, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b"") -> int:
    """Send a request as it is given, which no library does; return the status of the answer."""
    parts = urlsplit(url)
    names = {name.lower() for name, _ in headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    lines += [] if "host" in names else [f"Host: {parts.netloc}"]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1") + body)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    return int(received[9:12])


def test_no_cookie_header_or_query_is_an_error_of_ours(desk: Desk) -> None:
    """Over all addresses, by GET and by POST: whatever stands in a header, a cookie or a query, never 5xx."""
    url = desk.served.url
    asked = [("Cookie", cookie) for cookie in sorted(COOKIES)] + HEADERS
    wrong = []
    for path in addresses(desk):
        for header in asked:
            wrong += [(path, *header) for method in ("GET", "POST") if raw(url, method, path, [header]) >= 500]
        wrong += [(path, "query", query) for query in QUERIES if raw(url, "GET", f"{path}?{query}", []) >= 500]
    assert wrong == []


@pytest.mark.parametrize("is_known", [False, True], ids=["stranger", "known"])
def test_no_body_is_an_error_of_ours(desk: Desk, is_known: bool) -> None:
    """A stranger's forms and those of somebody signed in, and what programs send with a key: never 5xx."""
    url = desk.served.url
    headers = []
    if is_known:
        visitor = desk.colleague(Role.OWNER)
        cookie = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
        key = desk.served.keys[Environment.TEST][KeyKind.PRIVATE]
        headers = [("Cookie", cookie), ("Authorization", f"Bearer {key}")]
    wrong = [
        (path, media_type, body[:50])
        for path in addresses(desk)
        for media_type, body in BODIES
        if raw(url, "POST", path, [*headers, ("Content-Type", media_type)], body) >= 500
    ]
    assert wrong == []


def test_a_form_without_a_boundary_is_a_bad_request(desk: Desk) -> None:
    """What the framework raises over a form becomes 400, in one place."""
    for media_type, body in BODIES[:1] + [each for each in BODIES if "punycode" in each[0]][:1]:
        assert raw(desk.served.url, "POST", "/login", [("Content-Type", media_type)], body) == 400
    assert raw(desk.served.url, "GET", "/login", [("Host", "[::1")]) == 400


@pytest.mark.parametrize("path", ["/nothing", "/test/nothing", "/graphql/", "/v2/events"])
def test_a_program_is_told_in_json_what_is_not_there(desk: Desk, path: str) -> None:
    """An unknown address answers colleagues with a page, and programs with problem details."""
    url = f"{desk.served.url}{path}"
    for answer in (httpx.post(url, json={}), httpx.delete(url), httpx.get(url, headers={"Accept": "application/json"})):
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert answer.json()["detail"].startswith("there is nothing at this address; the Admin API is at /graphql")
    for answer in (httpx.get(url), httpx.post(url, headers={"Accept": "text/html"})):
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_a_program_is_told_which_methods_a_page_has(desk: Desk) -> None:
    """POST to the first page, as of a program whose address lacks its path, names what the page takes."""
    answer = httpx.post(f"{desk.served.url}/", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.headers["content-type"] == "application/problem+json"
