"""Users as CSV: looked at before anything happens, taken in all or nothing, and written out to come back."""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
import time
from html import unescape
from pathlib import Path

import httpx
import pytest

from kana.dashboard import imports, users_table
from kana.model.colleague import Role
from kana.model.user import User
from kana.settings import Settings
from tests.dashboard.desk import FORMULA, HOSTILE, Desk, Visitor, text_of
from tests.support.stores import SqlitePlace
from tests.support.world import LIVE, TEST


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports of a test are kept in its own folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def editor(desk: Desk) -> Visitor:
    """Somebody who may import."""
    return desk.colleague(Role.EDITOR)


def upload(visitor: Visitor, content: str | bytes, environment: str = "test") -> httpx.Response:
    """Send a file."""
    body = content.encode() if isinstance(content, str) else content
    files = {"file": ("users.csv", body, "text/csv")}
    return visitor.http.post(f"/{environment}/users/import", data={"csrf": visitor.csrf}, files=files)


def settled(visitor: Visitor, path: str) -> str:
    """Refresh a page of an import until it is not under way any more; return it."""
    for _ in range(600):
        html = visitor.get(path)
        if "hx-trigger" not in html:
            return html
        assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in html
        time.sleep(0.05)
    raise AssertionError(html)


def checked(visitor: Visitor, content: str | bytes) -> tuple[str, str]:
    """Send a file and wait for its report: its address and its page."""
    answer = upload(visitor, content)
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"]
    return path, settled(visitor, path)


def take_in(visitor: Visitor, path: str) -> str:
    """Carry out what was checked, and wait for its end: its page."""
    answer = visitor.post(path.replace("progress", "carry-out"))
    assert answer.status_code == 303, answer.text
    return settled(visitor, answer.headers["location"])


def users(desk: Desk) -> dict[str, User]:
    """All users of test."""
    return {user.id: user for user in desk.served.run(desk.served.engine.accounts.users(TEST))}


def test_a_file_is_looked_at_first_and_then_taken_in(desk: Desk, editor: Visitor) -> None:
    """Row by row: made, changed, the same. Nothing happens before the second form; a column left out stays."""
    before = users(desk)
    path, report = checked(editor, "id,email,billingId\nada,ada@example.com,cus_1\nuser-0,u@example.com,\nuser-1,,\n")
    said = text_of(report)
    assert "Created: 1 Updated: 1 Unchanged: 1 Wrong: 0" in said
    assert "2 ada Created 3 user-0 Updated 4 user-1 Unchanged" in said
    assert users(desk) == before
    assert "Imported: 3 rows." in take_in(editor, path)
    after = users(desk)
    assert (after["ada"].email, after["ada"].billing_id, after["ada"].name) == ("ada@example.com", "cus_1", None)
    assert (after["user-0"].email, after["user-0"].key) == ("u@example.com", before["user-0"].key)
    assert after["user-1"] == before["user-1"]
    assert len(after) == 4
    run, accounts = desk.served.run, desk.served.engine.accounts
    assert run(accounts.subscribe(TEST, "ada", ["basic"]))  # Made like any other.
    assert run(accounts.users(LIVE))[0].email is None


def test_time_zones_come_by_a_file_too(desk: Desk, editor: Visitor) -> None:
    """An empty cell is none, and a row with one that there is not is wrong."""
    path, report = checked(editor, "id,timeZone\nada,Asia/Tokyo\nuser-0,\n")
    assert "Created: 1 Updated: 0 Unchanged: 1 Wrong: 0" in text_of(report)
    take_in(editor, path)
    assert [users(desk)[each].time_zone for each in ("ada", "user-0")] == ["Asia/Tokyo", None]
    _, report = checked(editor, "id,timeZone\nada,Mars\n")
    assert "timeZone must be an IANA name such as Europe/Berlin, got 'Mars'" in unescape(text_of(report))


def test_the_same_file_again_changes_nothing(desk: Desk, editor: Visitor) -> None:
    """Nor does sending the second form twice."""
    content = "id,name,metadata\n" + "".join(
        f'n{number},Name {number},"{{""n"": {number}}}"\n' for number in range(1200)
    )
    path, report = checked(editor, content)
    assert "Created: 1,200" in text_of(report)
    take_in(editor, path)
    take_in(editor, path)
    after = users(desk)
    assert (len(after), after["n7"].metadata) == (1203, {"n": 7})
    path, report = checked(editor, content)
    assert "Created: 0 Updated: 0 Unchanged: 1,200 Wrong: 0" in text_of(report)
    take_in(editor, path)
    assert users(desk) == after


def test_one_wrong_row_and_nothing_is_taken_in(desk: Desk, editor: Visitor) -> None:
    """Each says why, by its number in the file; the second form is not offered, and refused when it is sent."""
    before = users(desk)
    path, report = checked(
        editor,
        "id,name,metadata\n"
        "good,Good,\n"
        ",No id,\n"
        "good,Twice,\n"
        "\n"
        f"long,{'x' * 256},\n"
        "bad,Bad,{\n"
        "short,Short\n"
        '"two\nlines",T,\n'
        f"big,Big,{'1' * 70_000}\n"
        "deep,Deep," + "[" * 20 + "]" * 20 + "\n",
    )
    said = unescape(text_of(report))
    for line in (
        "2 good Created",
        "3 Wrong: id must be 1 to 255 characters, got 0: ''",
        "4 good Wrong: row 2 has the same id, 'good'",
        "6 long Wrong: name must be 1 to 255 characters, got 256",
        "7 bad Wrong: metadata must be JSON, got '{'",
        "8 short Wrong: a row must have 3 cells, got 2",
        "9 two lines Wrong: id must not contain control characters",
        "10 big Wrong: a cell must be at most 65,536 characters",
        "11 deep Wrong: metadata must be at most 16 levels deep",
    ):
        assert line in said
    assert "Created: 1 Updated: 0 Unchanged: 0 Wrong: 8" in said
    assert "carry-out" not in report
    refused = editor.post(path.replace("progress", "carry-out"))
    assert (refused.status_code, "nothing can be imported" in refused.text) == (400, True)
    assert users(desk) == before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "The file is empty"),
        (b"\n\n", "The file is empty"),
        ("id,name\nada,Zoë\n".encode("latin-1"), "The file is not in UTF-8: byte 0xeb is not valid."),
        ("id\nada\n".encode("utf-16"), "The file is not in UTF-8: byte 0xff is not valid."),
        (b"id,plan,colour\nada,x,y\n", "Unknown columns 'plan', 'colour'"),
        (b"id,Email\nada,x\n", "Unknown column 'Email'"),
        (b"id,id\nada,ada\n", "Two columns have the same name."),
        (b"name\nAda\n", "The column id is missing."),
        (b'id,name\nada,"Ada\n', "The file cannot be read from row 2 on"),
        (b"id\nada\nb\0b\n", "Wrong: id must not contain control characters"),
        (b"id\n" + b"x" * 200_000 + b"\n", "The file cannot be read from row 2 on: field larger than field limit"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(desk: Desk, editor: Visitor, content: bytes, says: str) -> None:
    """Wrong encoding, unknown or missing columns, broken quotes: in words of what to do."""
    before = users(desk)
    path, report = checked(editor, content)
    assert says in unescape(text_of(report))
    take = editor.post(path.replace("progress", "carry-out"))
    assert take.status_code in (303, 400)
    assert users(desk) == before


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_files_of_spreadsheets_are_read(desk: Desk, editor: Visitor, delimiter: str) -> None:
    """With the mark of UTF-8, line ends of any kind, and what parts cells in other countries."""
    text = f"\ufeffid{delimiter}name\r\nada{delimiter}Zoë\r\n"
    path, _ = checked(editor, text)
    take_in(editor, path)
    assert users(desk)["ada"].name == "Zoë"


def test_no_file_is_no_import(editor: Visitor) -> None:
    """The form comes back and says so."""
    answer = editor.post("/test/users/import")
    assert (answer.status_code, "Choose a file." in answer.text) == (400, True)


def test_too_many_rows_are_refused(editor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row more than is taken."""
    monkeypatch.setattr(users_table, "ROWS_MAX", 2)
    assert "more than 2 rows" in checked(editor, "id\na\nb\nc\n")[1]
    assert "Created: 2" in text_of(checked(editor, "id\na\nb\n")[1])


def test_an_import_is_its_owners(desk: Desk, editor: Visitor) -> None:
    """Another colleague, the other environment and a made-up name find nothing; a viewer may not look at all."""
    path, _ = checked(editor, "id\nada\n")
    desk.colleague(Role.OWNER).get(path, status=404)
    editor.get(path.replace("/test/", "/live/"), status=404)
    for name in ("..", "0" * 32, "../" * 5 + "etc"):
        editor.get(f"/test/users/import/progress?id={name}", status=404)
    viewer = desk.colleague(Role.VIEWER)
    viewer.get(path, status=403)
    assert upload(viewer, "id\nada\n").status_code == 403


def test_an_import_whose_process_is_gone_says_so(desk: Desk, editor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not seem to run for ever; a day later it is swept away by the next one."""
    path, _ = checked(editor, "id\nada\n")
    folder = next(Path(tempfile.gettempdir()).glob("kana-imports-*/*"))
    state = (folder / "state.json").read_text()
    (folder / "state.json").write_text(state.replace('"checked"', '"importing"'))
    assert 'hx-trigger="every 1s"' in editor.get(path)
    desk.served.clock.advance(seconds=31)
    assert "The import was interrupted." in editor.get(path)
    desk.served.clock.advance(days=1)
    assert editor.sign_in("editor@example.com").status_code == 303
    checked(editor, "id\nbob\n")
    editor.get(path, status=404)


def test_who_uploads_too_much_holds_up_nobody_else(
    desk: Desk, editor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is per colleague and server: another colleague, or the same one at another server, is not refused."""
    monkeypatch.setattr(imports, "_KEPT_MAX", 2)
    assert [upload(editor, "id\nada\n").status_code for _ in range(3)] == [303, 303, 429]
    assert upload(desk.colleague(Role.OWNER), "id\nada\n").status_code == 303
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'other.db'}")
    with Desk(SqlitePlace(tmp_path / "other.db"), settings=settings) as other:
        there = other.colleague(Role.EDITOR)
        path, _ = checked(there, "id\nada\n")
        editor.get(path, status=404)
    desk.served.clock.advance(days=1, seconds=1)
    assert editor.sign_in("editor@example.com").status_code == 303
    assert upload(editor, "id\nada\n").status_code == 303


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"stage": "other"}', '{"new": 1}'])
def test_a_folder_that_cannot_be_read_harms_nobody(desk: Desk, editor: Visitor, content: str | None) -> None:
    """One that was begun and never told of, or by another version: it is no import, and others go on."""
    path, _ = checked(editor, "id\nada\n")
    folder = next(Path(tempfile.gettempdir()).glob("kana-imports-*/*"))
    (folder / "state.json").unlink()
    if content is not None:
        (folder / "state.json").write_text(content)
    editor.get(path, status=404)
    checked(editor, "id\nbob\n")
    assert folder.exists()
    os.utime(folder, (0, 0))
    checked(editor, "id\ncyd\n")
    assert not folder.exists()


def test_what_is_written_out_comes_back_the_same(desk: Desk, editor: Visitor) -> None:
    """Formulas are hidden from spreadsheets, whatever they begin with, and an import of it changes nothing."""
    create = desk.served.engine.accounts.create_user
    for user_id, name in (
        ("formula", FORMULA),
        ("-1", "+1"),
        ("@a", "'=1"),
        ("''-x", "'quoted"),
        (HOSTILE, 'a "b", c;  '),
    ):
        desk.served.run(create(TEST, id=user_id, name=name, metadata={"of": name, "n": None}))
    desk.served.run(
        create(TEST, id="list", metadata=[1, "é"], email="-e@example.com", billing_id="=b", time_zone="Asia/Tokyo")
    )
    answer = desk.colleague(Role.VIEWER).http.get("/test/users/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="users-test.csv"'
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows[0] == ["id", "name", "email", "billingId", "timeZone", "metadata"]
    assert [row[0] for row in rows[1:]] == [
        "'''-x",
        "'-1",
        HOSTILE,
        "'@a",
        "formula",
        "list",
        "user-0",
        "user-1",
        "user-2",
    ]
    assert all(cell[:1] not in "=+-@\t\r" for row in rows for cell in row if cell)
    assert rows[5][1] == f"'{FORMULA}"
    report = text_of(checked(editor, answer.content)[1])
    assert "Created: 0 Updated: 0 Unchanged: 9 Wrong: 0" in report


def test_many_are_written_out_page_by_page(desk: Desk, editor: Visitor) -> None:
    """None is missing where one page ends; asking for the head alone answers with no body."""
    path, report = checked(editor, "id\n" + "".join(f"n{number:04}\n" for number in range(2300)))
    assert re.findall(r"<code>(n\d+)</code>", report)[::99] == ["n0000", "n0099"]
    assert "n0100" in editor.get(f"{path}&first=100")
    assert "No rows match." in editor.get(f"{path}&outcome=wrong")
    take_in(editor, path)
    written = editor.http.get("/test/users/export").text.splitlines()
    assert [line.split(",")[0] for line in written[1:]] == sorted(users(desk))
    assert editor.http.head("/test/users/export").content == b""
