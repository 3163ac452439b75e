"""A table is read as text however a spreadsheet saved it, or refused in one line."""

import pytest

from utils.common.errors import SourceError
from utils.sources.tables import read_table

ROWS = [{"image": "ISIC_0000001", "site": "l\u00e4nge, \u00e9"}, {"image": "007", "site": ""}]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
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
    ],
)
def test_ragged_and_empty_tables(plant, content: str, rows: list[dict[str, str]]) -> None:
    assert read_table(plant({"t.csv": content}), "t.csv", ("a", "b")) == rows


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


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b'a,b\n"unclosed,2\n',
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b"<!DOCTYPE html>\n<html>\n<body>404, not found</body>\n</html>\n",
        "a,b\n1,2\n".encode("utf-16"),
        b"PK\x03\x04" + bytes(range(256)) * 4,
    ],
)
def test_what_is_no_table_is_refused_in_one_line(plant, content: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        read_table(plant({"t.csv": content}), "t.csv", ("a", "b"))
    assert "\n" not in str(caught.value)
    assert "t.csv" in str(caught.value)
