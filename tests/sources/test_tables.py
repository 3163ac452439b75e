"""A table is read as text however a spreadsheet saved it, or refused in one line."""

import io
import os
import zipfile

import pytest

from utils.common.errors import SourceError
from utils.sources.files import dialect, tables
from utils.sources.files.tables import own_tables, read_table

ROWS = [{"image": "ISIC_0000001", "site": "l\u00e4nge, \u00e9"}, {"image": "007", "site": ""}]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("quoted", [False, True])
def test_every_dialect_gives_the_same_rows(
    plant, separator: str, end: str, encoding: str, quoted: bool
) -> None:
    lines = [["image", "site"], ["ISIC_0000001", "l\u00e4nge, \u00e9"], ["007", ""]]
    text = "".join(
        separator.join(f'"{cell}"' if quoted or separator in cell else cell for cell in line) + end
        for line in lines
    )
    tree = plant({"t.csv": text.encode(encoding)})
    assert read_table(tree, "t.csv", ("image",)) == ROWS


@pytest.mark.parametrize("text", ["NA", "nan", "None", "null", "1.0", "True", "-", "00012", "1e5"])
def test_no_cell_is_taken_for_anything_but_text(plant, text: str) -> None:
    tree = plant({"t.csv": f"a,b\n{text},{text}\n"})
    assert read_table(tree, "t.csv", ("a", "b")) == [{"a": text, "b": text}]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a,b\n", []),
        ("a,b", []),
        ("a,b\n1,2", [{"a": "1", "b": "2"}]),
        (" a , b\n1,2\n", [{"a": "1", "b": "2"}]),
        ("a,b\n1,2\n\n\n", [{"a": "1", "b": "2"}]),
        ("a,b\n1\n", [{"a": "1", "b": ""}]),
        ("a,b\n1,2,3\n", [{"a": "1", "b": "2"}]),
        ("a,b\n1,2,\n3,4,\n", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        ('a,b\n"1, one",2\n', [{"a": "1, one", "b": "2"}]),
        ('a,b\n"1\none",2\n', [{"a": "1\none", "b": "2"}]),
        ('"a",b\n"1 ""one""",2\n', [{"a": '1 "one"', "b": "2"}]),
        ("a,b,,,\n1,2,,,\n", [{"a": "1", "b": "2"}]),
        (",,\n\na,b,\n1,2,\n", [{"a": "1", "b": "2"}]),
        ("A,B\n1,2\n", [{"a": "1", "b": "2"}]),
        ("\ufeffa\u00a0,\u200bb\n\u00a01 ,2\u200b\n", [{"a": "1", "b": "2"}]),
        ("sep=;\r\na;b\r\n1,5;2\r\n", [{"a": "1,5", "b": "2"}]),
        ('"sep=|"\na|b\n1|2\n', [{"a": "1", "b": "2"}]),
        ("SEP=,\na,b\n1,2\n", [{"a": "1", "b": "2"}]),
        ("sep=\t\na\tb\n1\t2\n", [{"a": "1", "b": "2"}]),
        ('"x;y;z",b,a\n0,2,1\n', [{"a": "1", "b": "2"}]),
    ],
)
def test_ragged_and_empty_tables(plant, content: str, rows: list[dict[str, str]]) -> None:
    assert read_table(plant({"t.csv": content}), "t.csv", ("a", "b"), optional=()) == rows


def test_a_missing_column_is_one_line_that_names_it(plant) -> None:
    tree = plant({"hiba/metadata.csv": "isic_id,b,c,d,e,f,g\n1,2,3,4,5,6,7\n"})
    with pytest.raises(SourceError) as caught:
        read_table(tree, "hiba/metadata.csv", ("isic_id", "image_type", "patient_id"))
    assert str(caught.value) == (
        f"{tree.root / 'hiba/metadata.csv'} has no column image_type, patient_id "
        "(found: isic_id, b, c, d, e and 2 more). "
        "Expected the columns isic_id, image_type, patient_id. "
        "Download it again, or remove its folder to leave this collection out."
    )


def told(tree, columns: tuple[str, ...] = ("a", "b")) -> str:
    with pytest.raises(SourceError) as caught:
        read_table(tree, "t.csv", columns)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"sep=;\r\n", "it is empty"),
        (b"a,b\n1,2\n\0\0", "it has zero bytes: it is damaged or no text"),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "it is not utf-16-le as its first bytes say"),
        (b"PK\x03\x04", "it is a workbook or an archive, not a text; save it as CSV"),
        (b"\xd0\xcf\x11\xe0", "it is a workbook or an archive, not a text; save it as CSV"),
        (b"a," * 1_001 + b"b\n1,2\n", "it has 1,002 columns, limit 1,000"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(plant, content: bytes, why: str) -> None:
    tree = plant({"t.csv": content})
    assert told(tree) == (
        f"{tree.root / 't.csv'} cannot be read as a table ({why}). Expected the columns a, b. "
        "Download it again."
    )


@pytest.mark.parametrize(
    "content",
    [
        b"\t" * 5_000_000 + b"\n",
        b"a,b\n" + b"," * 2_000_000,
        b'a,b\n1,"2\n' + b'",2,"\n' * 200_000,
    ],
    ids=["header", "row", "row over many lines"],
)
def test_a_row_without_bounds_is_refused_before_it_is_kept(plant, content: bytes) -> None:
    assert "one of its rows has more than 1,048,576 signs, the limit" in told(
        plant({"t.csv": content})
    )


def test_a_quotation_that_does_not_end_is_told(plant) -> None:
    assert (
        "(one of its cells has more than 131,072 signs, the limit; a quotation mark may be missing)"
    ) in told(plant({"t.csv": 'a,b\n"1,2\n' + "3,4\n" * 50_000}))


def test_the_number_of_rows_is_limited(plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "MAX_ROWS", 3)
    assert len(read_table(plant({"t.csv": "a,b\n" + "1,2\n" * 3}), "t.csv", ("a",))) == 3
    assert "it has more than 3 rows, the limit" in told(plant({"t.csv": "a,b\n" + "1,2\n" * 4}))


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_of_too_many_bytes_is_not_opened(
    plant, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(tables, "MAX_TABLE_BYTES", 9)
    content = b"a,b\n1,2\n3,4\n"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("t.csv", content)
    tree = plant({"x.zip": stream.getvalue()} if packed else {"t.csv": content})
    assert told(tree) == (
        f"{tree.root / 't.csv'} cannot be read (12 bytes, limit 9). Download it again."
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_no_table(plant) -> None:
    tree = plant({"t.csv": ""})
    (tree.root / "t.csv").unlink()
    os.mkfifo(tree.root / "t.csv")
    assert "cannot be read (a named pipe, not a regular file)" in told(tree)


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        (b"a,b\n1,2\n", []),
        (b"a,b\n1,2,\n", []),
        (b"a,b\n\xe4,\x80\n", ["not UTF-8; read as Windows-1252"]),
        (b"a,b,A\n1,2,3\n", ["2 columns are named a; only column 1 is read"]),
        (b"A,b,a\n1,2,3\n", ["2 columns are named a; only column 3 is read"]),
        (b"b,a,b,c,c\n1,2,3,4,5\n", ["2 columns are named b; only column 1 is read"]),
        (
            b"a,b\n1,2\n1,2,3\n1,2,,4\n",
            ["2 rows have more cells than there are columns (the first is row 2); "
             "what is beyond is not read"],
        ),
        (
            b"a,b,c\n1,2\n1\n1,2,3\n",
            ["1 rows are too short (the first is row 2); what is missing counts as empty"],
        ),
    ],
)  # fmt: skip
def test_what_was_not_quite_right_is_told(plant, content: bytes, notes: list[str]) -> None:
    table = read_table(plant({"t.csv": content}), "t.csv", ("a", "b"), optional=())
    assert table.notes == [f"t.csv: {note}" for note in notes]


def test_columns_that_were_not_asked_for_are_not_read(plant) -> None:
    tree = plant({"t.csv": "a,b,c\n1,2,3\n4,5,6\n"})
    table = read_table(tree, "t.csv", ("a",), optional=("c", "d"))
    assert table.columns == ("a", "c")
    assert list(table) == table[:] == [{"a": "1", "c": "3"}, {"a": "4", "c": "6"}]
    assert (table[1], table.column("c")) == ({"a": "4", "c": "6"}, ["3", "6"])
    assert read_table(tree, "t.csv", ("B",))[0] == {"a": "1", "B": "2", "c": "3"}


def test_own_tables_are_those_outside_of_archives(plant) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("deep/t.csv", "a,b\n")
    tree = plant({"x.zip": stream.getvalue(), "y/t.csv": "a,b\n"})
    assert tree.named("t.csv") == ["y/t.csv", "deep/t.csv"]
    assert own_tables(tree, "t.csv") == ["y/t.csv"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b'a,b\n"unclosed,2\n',
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b"<!DOCTYPE html>\n<html>\n<body>404, not found</body>\n</html>\n",
        b"PK\x03\x04" + bytes(range(256)) * 4,
    ],
)
def test_what_is_no_table_is_refused_in_one_line(plant, content: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        read_table(plant({"t.csv": content}), "t.csv", ("a", "b"))
    assert "\n" not in str(caught.value)
    assert "t.csv" in str(caught.value)


def test_a_table_that_cannot_be_opened_is_told_without_codes(
    plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, limit: int) -> bytes:
        raise PermissionError(13, "Permission denied", path)

    tree = plant({"t.csv": "a\n1\n"})
    monkeypatch.setattr(tables, "read_regular", refuse)
    with pytest.raises(SourceError, match=r"t\.csv cannot be read \(Permission denied\)\."):
        tables.read_table(tree, "t.csv", ("a",))
