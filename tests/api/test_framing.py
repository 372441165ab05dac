"""Where a request ends: what our server takes for requests is what a second parser takes for them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.api.small import KEY, small_server
from tests.api.wire import EARLY, Asked, Server, second_opinion
from tests.support.programs import curl

HEAD = b"POST /a HTTP/1.1\r\nHost: kana\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: kana\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Our protocol over an application that keeps what it is asked."""
    server = Server()
    yield server
    server.close()


def test_a_body_behind_an_upgrade_is_a_body(server: Server) -> None:
    """Whatever other protocol a request wishes for, its body is read by its length and never as a request."""
    for upgrade in (b"h2c", b"websocket", b"TLS/1.2", b"h2c, websocket"):
        for connection in (b"Upgrade", b"keep-alive, Upgrade", b"Upgrade, HTTP2-Settings"):
            wish = b"Connection: %b\r\nUpgrade: %b\r\n" % (connection, upgrade)
            by_length = HEAD + wish + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED)
            by_chunks = HEAD + wish + b"Transfer-Encoding: chunked\r\n\r\n"
            chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
            for segments in ([by_length, SMUGGLED], [by_length + SMUGGLED], [by_chunks, chunk], [by_chunks + chunk]):
                heard = server.hear(segments)
                assert heard.asked == [Asked("POST", "/a", SMUGGLED)]
                assert heard.statuses == [200]


def test_the_judge_finds_what_was_wrong() -> None:
    """Control: the server that this one is built on takes the body of such a request for the next request."""
    segments = [HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED), SMUGGLED]
    server = Server(HttpToolsProtocol)
    heard = server.hear(segments)
    server.close()
    assert heard.asked != second_opinion(b"".join(segments))
    assert Asked("GET", "/smuggled", b"") in heard.asked


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /a HTTP/1.1\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET /a HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nAuthorization: x\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: a:80:80\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: me@a\r\n\r\n", 400),
        (b"GET /a\r\n\r\n", 400),
        (b"GET /a HTTP/0.9\r\nHost: a\r\n\r\n", 400),
        (b"GET /a HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(server: Server, request_: bytes, status: int) -> None:
    """No Host, two of them or a wrong one, two keys, another version or coding: refused once, and nothing after it."""
    heard = server.hear([request_ + SMUGGLED])
    assert heard.asked == []
    assert heard.statuses == [status]
    assert heard.is_closed


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /a HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: kana.example:8080\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: my_host.internal\r\n\r\n",
        b"GET /a HTTP/1.0\r\n\r\n",
        b"GET http://kana/a HTTP/1.1\r\nHost: kana\r\n\r\n",
    ],
)
def test_a_head_that_is_right_is_taken(server: Server, request_: bytes) -> None:
    """Hosts as they are written, an old client without one, an address in full."""
    heard = server.hear([request_])
    assert [(asked.method, asked.target) for asked in heard.asked] == [("GET", "/a")]
    assert heard.statuses == [200]


@pytest.mark.parametrize("broken", [b"ZZ\r\n", b"5\r\nabcdeXX", b"1;\x00=\r\n", b"0\r\nBad Trailer\r\n\r\n"])
def test_an_answered_request_is_not_answered_again(server: Server, broken: bytes) -> None:
    """Where the rest of a body that was answered already is nonsense, the connection ends without a word."""
    head = b"POST " + EARLY.encode() + b" HTTP/1.1\r\nHost: kana\r\nTransfer-Encoding: chunked\r\n\r\n"
    heard = server.hear([head, broken + SMUGGLED])
    assert heard.asked == [Asked("POST", EARLY, b"")]
    assert heard.statuses == [200]
    assert heard.is_closed


def test_who_waits_to_send_is_closed_by_an_early_answer(server: Server) -> None:
    """A client that asked whether to send, and was answered, may leave its body out: what it sends next is not read."""
    head = b"POST " + EARLY.encode() + b" HTTP/1.1\r\nHost: kana\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n"
    heard = server.hear([head, SMUGGLED])
    assert heard.asked == [Asked("POST", EARLY, b"")]
    assert heard.statuses == [200]
    assert heard.is_closed


def test_an_early_answer_waits_for_the_body_before_it_closes(server: Server) -> None:
    """A connection closed over unread bytes is reset, and the answer lost: the rest is read first."""
    head = b"POST " + EARLY.encode() + b" HTTP/1.1\r\nHost: kana\r\nConnection: close\r\nContent-Length: 40\r\n\r\n"
    heard = server.hear([head, b"x" * 39])
    assert (heard.statuses, heard.is_closed) == ([200], False)
    heard = server.hear([head, b"x" * 39, b"x" + SMUGGLED])
    assert (heard.statuses, heard.is_closed) == ([200], True)
    assert len(heard.asked) == 1


_bodies = st.binary(max_size=60) | st.sampled_from([SMUGGLED, b"\r\n\r\n", b"0\r\n\r\n", b""])
_extra = st.lists(
    st.sampled_from(
        [
            b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
            b"Connection: upgrade, keep-alive\r\nUpgrade: websocket\r\n",
            b"Upgrade: h2c\r\n",
            b"Expect: 100-continue\r\n",
            b"Expect: nothing\r\n",
            b"Connection: keep-alive\r\n",
            b"X-Empty:\r\n",
            b"X-Long: " + b"x" * 300 + b"\r\n",
            b"Accept: */*\r\n",
            b"Authorization: k\r\n",
        ]
    ),
    max_size=3,
    unique=True,
)


@st.composite
def _chunked(draw: st.DrawFn, body: bytes) -> bytes:
    parts = []
    while body:
        size = draw(st.integers(1, len(body)))
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b c"']))
        zeros = draw(st.sampled_from([b"", b"00"]))
        parts.append(zeros + b"%x" % size + extension + b"\r\n" + body[:size] + b"\r\n")
        body = body[size:]
    trailers = draw(
        st.sampled_from(
            [b"", b"X: y\r\n", b"Authorization: k\r\n", b"Host: b\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"]
        )
    )
    return b"".join((*parts, b"0\r\n", trailers, b"\r\n"))


@st.composite
def _whole(draw: st.DrawFn) -> tuple[bytes, Asked]:
    """A request that is right, as bytes and as it is meant."""
    method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS"]))
    target = draw(st.sampled_from(["/a", "/a?b=c", "/%2F..%00", EARLY]))
    body = b"" if target == EARLY else draw(_bodies)
    framing = draw(st.sampled_from(["length", "chunks", "none"]))
    head = f"{method} {target} HTTP/1.1\r\nHost: kana\r\n".encode() + b"".join(draw(_extra))
    if framing == "length":
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body, Asked(method, target, body)
    if framing == "chunks":
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + draw(_chunked(body)), Asked(method, target, body)
    return head + b"\r\n", Asked(method, target, b"")


@st.composite
def _cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    at = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True) if end > start]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_requests_in_a_row_are_each_answered_once(server: Server, data: st.DataObject) -> None:
    """However requests are framed, wished and cut into segments, each reaches the application whole, and once."""
    whole = data.draw(st.lists(_whole(), min_size=1, max_size=6))
    raw = b"".join(each for each, _ in whole)
    meant = [asked for _, asked in whole]
    assert second_opinion(raw) == meant
    heard = server.hear(data.draw(_cut(raw)))
    assert heard.asked == meant[: len(heard.asked)]
    assert heard.statuses == [200] * len(heard.asked)
    # Only who announced a body and was answered before sending it is closed before its time.
    assert len(heard.asked) == len(meant) or (heard.is_closed and meant[len(heard.asked) - 1].target == EARLY)


_line = st.sampled_from(
    [
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5 \r\n",
        b"Content-Length:\r\n",
        b"Content-Length : 5\r\n",
        b"Content-Length: 18446744073709551621\r\n",
        b"Content-Length: 4294967301\r\n",
        b"Content_Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: Chunked \r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Transfer-Encoding\r\n : chunked\r\n",
        b"Connection: close\r\n",
        b"Connection: Upgrade\r\n",
        b"Upgrade: h2c\r\n",
        b"Expect: 100-continue\r\n",
        b"Host: b\r\n",
        b" folded: 1\r\n",
        b"X: y\n",
        b"X: y\r",
        b"X: \x00\r\n",
        b": nameless\r\n",
        b"no colon\r\n",
    ]
)
_start = st.sampled_from(
    [
        *[b"POST /a HTTP/1.1\r\n"] * 4,
        b"GET /a HTTP/1.1\r\n",
        b"HEAD /a HTTP/1.1\r\n",
        b"CONNECT a:80 HTTP/1.1\r\n",
        b"POST /a HTTP/1.0\r\n",
        b"POST /a HTTP/2.0\r\n",
        b"POST /a HTTP/1.10\r\n",
        b"POST /a http/1.1\r\n",
        b"POST /a\r\n",
        b"POST  /a HTTP/1.1\r\n",
        b"POST /a  HTTP/1.1\r\n",
        b"POST\t/a HTTP/1.1\r\n",
        b"post /a HTTP/1.1\r\n",
        b"\r\nPOST /a HTTP/1.1\r\n",
        b" POST /a HTTP/1.1\r\n",
        b"POST /\xff HTTP/1.1\r\n",
        b"POST * HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
    ]
)
_rest = st.sampled_from(
    [
        b"hello",
        b"hell",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;ext\r\nhello\r\n0\r\nA: b\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"5\r\nhelloo\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"000000005\r\nhello\r\n0\r\n\r\n",
        b"5;\r\nhello\r\n0\r\n\r\n",
        b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"",
    ]
)


@st.composite
def _odd(draw: st.DrawFn) -> bytes:
    """Something like a request, with any of what parsers have disagreed on; now and then a byte of it is another."""
    host = draw(st.sampled_from([b"Host: kana\r\n"] * 5 + [b""]))
    raw = draw(_start) + host + b"".join(draw(st.lists(_line, max_size=4))) + b"\r\n" + draw(_rest)
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(raw) - 1))
        raw = raw[:at] + draw(st.binary(max_size=2)) + raw[at + 1 :]
    return raw


def _agrees(ours: Sequence[Asked], statuses: Sequence[int], theirs: Sequence[Asked]) -> bool:
    """Whether we served the first of what they found, one answer each, and refused at most the next thing."""
    answered = [status for status in statuses if status == 200]
    return (
        list(ours) == list(theirs[: len(ours)])
        and len(answered) == len(ours)
        and list(statuses[: len(answered)]) == answered
        and len(statuses) <= len(ours) + 1
    )


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_we_serve_nothing_that_a_second_parser_does_not_find(server: Server, data: st.DataObject) -> None:
    """Of bytes that parsers have disagreed on we serve what both find, refuse once, and however they are cut."""
    raw = b"".join(data.draw(st.lists(_odd() | _whole().map(lambda whole: whole[0]), min_size=1, max_size=4)))
    theirs = second_opinion(raw)
    whole = server.hear([raw])
    assert _agrees(whole.asked, whole.statuses, theirs), (whole, theirs)
    cut = server.hear(data.draw(_cut(raw)))
    assert _agrees(cut.asked, cut.statuses, theirs), (cut, theirs)


def test_curl_that_offers_http2_is_answered() -> None:
    """A real client that would rather speak HTTP/2 gets one answer over HTTP/1.1, with a body or without."""
    with small_server() as (_process, port):
        url = f"http://127.0.0.1:{port}"
        for arguments, answer in [
            ([f"{url}/healthz"], '{"status":"ok"}'),
            (
                [
                    *(f"{url}/graphql", "-H", f"Authorization: {KEY}", "-H", "Content-Type: application/json"),
                    *("-d", '{"query":"{ ping }"}'),
                ],
                '{"data":{"ping":true}}',
            ),
        ]:
            command = [str(curl()), "--silent", "--http2", "--max-time", "10", "--write-out", " %{http_version}"]
            ended = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
            assert ended.stdout == f"{answer} 1.1"
