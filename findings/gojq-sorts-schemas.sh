#!/usr/bin/env bash
# gojq, PostgreSQL's jsonb and go-openai's schema generator write "answer" before "reasoning", in the JSON Schema of a request.
#
# One would guess: choosing a line, or changing its model, leaves the order of keys as it was, as jq does. A schema made from a struct has
#   the order of its fields, as in Python and JavaScript.
# What happens: gojq writes the keys of every object in alphabetical order, and has no option against it. jsonb stores the shortest keys
#   first. GenerateSchemaForType of go-openai keeps properties in a Go map, so they are sorted, while `required` keeps the order of the struct.
# Version: gojq 0.12.17 and go-openai 1.43.0 with Go 1.26, PostgreSQL 18.7 (PGlite 0.5.17) with Node.js 20.20, 2026-11-28.
# Why it matters for batch files: with Structured Outputs a model writes the keys in the order of the schema (OpenAI's guide). One that was
#   asked to reason first now answers first and gives reasons afterwards. The request is equal as JSON and it is accepted, so only the
#   answers show the change.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOPATH="$work/go" GOFLAGS=-modcacherw
cat > main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/itchyny/gojq"
	"github.com/sashabaranov/go-openai/jsonschema"
)

type Verdict struct {
	Reasoning string `json:"reasoning"`
	Answer    string `json:"answer"`
}

func show(name string, text string) {
	fmt.Println(name+":", text)
	if strings.Index(text, `"answer":`) > strings.Index(text, `"reasoning":`) {
		os.Exit(1)
	}
}

func main() {
	var line any
	text := `{"custom_id":"a","schema":{"type":"object","properties":{"reasoning":{"type":"string"},"answer":{"type":"string"}}}}`
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		panic(err)
	}
	query, err := gojq.Parse(`select(.custom_id == "a")`)
	if err != nil {
		panic(err)
	}
	chosen, _ := query.Run(line).Next()
	written, err := gojq.Marshal(chosen)
	if err != nil {
		panic(err)
	}
	fmt.Println("the line:", text)
	show("gojq", string(written))
	schema, err := jsonschema.GenerateSchemaForType(Verdict{})
	if err != nil {
		panic(err)
	}
	made, err := json.Marshal(schema)
	if err != nil {
		panic(err)
	}
	show("go-openai, from a struct with Reasoning first", string(made))
}
GO
go mod init finding 2>/dev/null
go get github.com/itchyny/gojq@v0.12.17 github.com/sashabaranov/go-openai@v1.43.0 2>/dev/null
go run .
npm install --silent --no-fund --no-audit --prefix "$work" @electric-sql/pglite@0.5.17
cat > run.mjs <<'JAVASCRIPT'
import {PGlite} from '@electric-sql/pglite';

const line = '{"model":"m","properties":{"reasoning":{},"answer":{}}}';
const {rows} = await new PGlite().query(`SELECT jsonb_set($1::jsonb, '{model}', '"n"')::text AS line`, [line]);
console.log('jsonb_set:', rows[0].line);
process.exit(rows[0].line.indexOf('"answer"') < rows[0].line.indexOf('"reasoning"') ? 0 : 1);
JAVASCRIPT
node run.mjs
