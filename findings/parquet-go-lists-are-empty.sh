#!/usr/bin/env bash
# parquet-go reads every list as empty when the Go struct has no ",list" in its tag.
#
# One would guess: a field `[]string` or `[]float32` reads a list column: the library reads a map into a Go map, and nulls and timestamps
#   into their types, without a tag. If the struct does not fit the file, there is an error, as for a text in an integer field.
# What happens: without ",list" the field stands for another layout, a repeated column. Nothing in the file has that name, so each slice is
#   empty in each row. ReadFile returns no error, and the number of rows and the other columns are right.
# Version: parquet-go 0.32.0, Go 1.26; the file from pyarrow 26.0.1 with Python 3.11, 2026-11-28.
# Why it matters for batch files: embeddings, tool calls and the texts of several choices are lists. A program that loads vectors into an
#   index gets vectors of length 0, and one that counts tool calls finds none. The tag `parquet:"embedding,list"` reads them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'pyarrow==26.0.1'
"$work/venv/bin/python" <<'PYTHON'
import pyarrow as pa
import pyarrow.parquet as pq

calls = [[{"name": "find_book"}], []]
table = pa.table({"custom_id": ["a", "b"], "embedding": pa.array([[0.5, -1.5], [2.0]], pa.list_(pa.float32())), "tool_calls": calls})
pq.write_table(table, "table.parquet")
PYTHON
export GOPATH="$work/go" GOFLAGS=-modcacherw
cat > main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/parquet-go/parquet-go"
)

type Call struct {
	Name string `parquet:"name"`
}

type Plain struct {
	ID        string    `parquet:"custom_id"`
	Embedding []float32 `parquet:"embedding"`
	Calls     []Call    `parquet:"tool_calls"`
}

type Tagged struct {
	ID        string    `parquet:"custom_id"`
	Embedding []float32 `parquet:"embedding,list"`
	Calls     []Call    `parquet:"tool_calls,list"`
}

func main() {
	plain, first := parquet.ReadFile[Plain]("table.parquet")
	tagged, second := parquet.ReadFile[Tagged]("table.parquet")
	fmt.Printf("without \",list\": %+v, error: %v\n", plain, first)
	fmt.Printf("with \",list\":    %+v, error: %v\n", tagged, second)
	if first != nil || second != nil || len(plain) != 2 || plain[0].ID != "a" || len(plain[0].Embedding)+len(plain[0].Calls) != 0 ||
		len(tagged[0].Embedding) != 2 || len(tagged[0].Calls) != 1 {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get github.com/parquet-go/parquet-go@v0.32.0 2>/dev/null
go run .
