#!/usr/bin/env bash
# pandas reads its own Excel file back with "_x000D_" in every text that has a Windows line end.
#
# One would guess: read_excel gives the texts that to_excel wrote, or loses the carriage return, as XML does.
# What happens: with XlsxWriter installed, pandas writes with it and reads with openpyxl. XlsxWriter escapes control characters as the
#   format says, openpyxl does not undo that: "first\r\nsecond" is "first_x000D_\nsecond", and a vertical tab is "_x000B_". With openpyxl
#   as the writer the carriage return is lost instead; with calamine as the reader the text is right.
# Version: pandas 3.1.1, XlsxWriter 3.3.1, openpyxl 3.1.5, python-calamine 0.9.1, Python 3.11, 2026-11-28.
# Why it matters for batch files: prompts from mails and forms have such line ends, and answers that quote them, too. After a round of
#   corrections in a sheet they differ from the requests and from the answers that were sent, and a new batch sends "_x000D_" to the model.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'pandas==3.1.1' 'XlsxWriter==3.3.1' 'openpyxl==3.1.5' 'python-calamine==0.9.1'
cd "$work"
"$work/venv/bin/python" -W ignore <<'PYTHON'
import pandas

texts = ["first\r\nsecond", "a\x0bb", "plain\ntext"]
frame = pandas.DataFrame({"custom_id": ["a", "b", "c"], "text": texts})
frame.to_excel("default.xlsx", index=False)
default = pandas.read_excel("default.xlsx")["text"].to_list()
calamine = pandas.read_excel("default.xlsx", engine="calamine")["text"].to_list()
frame.drop(index=1).to_excel("openpyxl.xlsx", index=False, engine="openpyxl")
openpyxl = pandas.read_excel("openpyxl.xlsx")["text"].to_list()
for name, found in (("written", texts), ("read back", default), ("read back with calamine", calamine), ("written with openpyxl", openpyxl)):
    print(f"{name}: {found}")
wrong = ["first_x000D_\nsecond", "a_x000B_b", "plain\ntext"]
raise SystemExit((default, calamine, openpyxl) != (wrong, texts, ["first\nsecond", "plain\ntext"]))
PYTHON
