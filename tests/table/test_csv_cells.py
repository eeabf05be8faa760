"""CSV of other programs: null, and values that only look like it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchfiles
from batchfiles.cli.main import exit_code
from batchfiles.table.csv import CSV_NULLS
from batchfiles.table.read import user_tables
from tests.jobs.wire import put, request, success

OF_R = b'"id","note","budget"\n"a","NA",1\n"b","",NA\n"c",NA,2.5\n'
"""What `write.csv` of R writes: nulls are NA without quotes, and an empty text is two quotes."""


def rows_of(path: Path, *nulls: str) -> list[dict[str, Any]]:
    """Return the rows of a CSV file."""
    return [row for table in user_tables(path, csv_nulls=nulls or CSV_NULLS) for row in table.rows(lambda there: there)]


def test_an_empty_cell_is_null_with_and_without_quotes(tmp_path: Path) -> None:
    """By default: many programs quote every cell."""
    (tmp_path / "t.csv").write_bytes(b'a,b,c\n,"",x\n')
    assert rows_of(tmp_path / "t.csv") == [{"a": None, "b": None, "c": "x"}]


@pytest.mark.parametrize(
    ("nulls", "expected"),
    [
        (["NA"], ["", "", None, "x"]),
        ([""], [None, "", "NA", "x"]),
        (['""'], ["", None, "NA", "x"]),
        (["", "NA"], [None, "", None, "x"]),
        (["", '""', "NA", "x"], [None, None, None, None]),
        (["x"], ["", "", "NA", None]),
    ],
)
def test_what_null_is_can_be_named(tmp_path: Path, nulls: list[str], expected: list[Any]) -> None:
    """Nothing, two quotes and words, each by itself."""
    (tmp_path / "t.csv").write_bytes(b'a,b,c,d\n,"",NA,x\n')
    assert list(rows_of(tmp_path / "t.csv", *nulls)[0].values()) == expected


QUOTED = st.text(alphabet='a",\n NA', max_size=4).map(lambda text: (text, True))
CELLS = st.lists(QUOTED | st.sampled_from([("", False), ("NA", False)]), min_size=2, max_size=5)


@given(rows=st.lists(CELLS, min_size=1, max_size=4), width=st.integers(2, 5))
def test_quotes_tell_an_empty_text_from_a_null(rows: list[Any], width: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With any content in the other cells of the record: quotes, commas, line ends."""
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    rows = [[row[number % len(row)] for number in range(width)] for row in rows]
    lines = [",".join(f'"{text.replace(chr(34), chr(34) * 2)}"' if quoted else text for text, quoted in row) for row in rows]
    header = ",".join(f"c{number}" for number in range(width))
    path.write_bytes("\n".join([header, *lines, ""]).encode())
    found = [list(row.values()) for row in rows_of(path, "")]
    assert found == [[text if text or quoted else None for text, quoted in row] for row in rows]


def test_words_for_null_among_numbers_are_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`NA` of R became text in prompts; a column of texts may contain it."""
    (tmp_path / "t.csv").write_bytes(OF_R)
    template = {"model": "m", "max_tokens": "{{budget}}", "input": "{{note}}"}
    output = tmp_path / "r.jsonl"
    options: dict[str, Any] = {"template": template, "url": "/v1/responses", "id_template": "{{id}}", "overwrite": True}
    options["limits"] = batchfiles.NONE
    report = batchfiles.prepare(tmp_path / "t.csv", output, null="null", **options)
    [finding] = report.findings
    assert (finding.code, finding.severity, finding.path) == ("null_word", "warning", str(tmp_path / "t.csv"))
    assert finding.message.startswith("The column 'budget' holds numbers, and 'NA' in 1 rows")
    report = batchfiles.prepare(tmp_path / "t.csv", output, null="null", csv_nulls=["NA"], **options)
    bodies = [json.loads(line)["body"] for line in output.read_bytes().splitlines()]
    assert [(each["max_tokens"], each["input"]) for each in bodies] == [("1", None), (None, ""), ("2.5", None)]
    assert (report.nulls, report.findings) == (3, ())
    put(tmp_path / "template.json", json.dumps(template).encode())
    arguments = [
        str(tmp_path / "t.csv"),
        "-o",
        str(output),
        "--template",
        str(tmp_path / "template.json"),
        "--id",
        "{{id}}",
        "--force",
    ]
    arguments += ["--url", "/v1/responses", "--null", "null", "--limits", "none"]
    assert exit_code(["prepare", *arguments]) == 0
    assert "--csv-null NA" in capsys.readouterr().err
    assert exit_code(["prepare", *arguments, "--csv-null", "NA"]) == 0
    assert "--csv-null" not in capsys.readouterr().err


@pytest.mark.parametrize("cells", ["1,2,3", "NA,NA,NA", "NA,x,1", "1,x,NA", "NA,-,?"])
def test_other_columns_give_no_warning(tmp_path: Path, cells: str) -> None:
    """Numbers alone, words alone, and any text among them."""
    lines = "".join(f"{number},{cell}\n" for number, cell in enumerate(cells.split(",")))
    (tmp_path / "t.csv").write_text(f"id,value\n{lines}")
    report = batchfiles.prepare(
        tmp_path / "t.csv",
        tmp_path / "r.jsonl",
        template={"model": "m", "input": "{{value}}"},
        url="/v1/responses",
        id_template="{{id}}",
    )
    assert report.findings == ()


def test_null_words_beside_results(tmp_path: Path) -> None:
    """With `join --with` as with `prepare`; without a table the option is refused."""
    (tmp_path / "t.csv").write_bytes(OF_R)
    inputs, results = put(tmp_path / "in.jsonl", *map(request, "abc")), put(tmp_path / "out.jsonl", success("a"))
    found = batchfiles.join(inputs, results, with_table=tmp_path / "t.csv", id_template="{{id}}", csv_nulls=["NA"]).to_arrow()
    assert found["note"].to_pylist() == [None, "", None]
    assert found["budget"].to_pylist() == ["1", None, "2.5"]
    with pytest.raises(ValueError, match="csv_nulls goes with with_table"):
        batchfiles.join(inputs, results, csv_nulls=["NA"])
    command = ["join", str(inputs), str(results), "-o", str(tmp_path / "t.parquet"), "--csv-null", "NA"]
    assert exit_code(command) == 2
    assert exit_code([*command, "--with", str(tmp_path / "t.csv"), "--id", "{{id}}"]) == 0
