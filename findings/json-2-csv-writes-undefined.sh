#!/usr/bin/env bash
# json-2-csv writes the words "null" and "undefined" into empty cells, so every request has an error code.
#
# One would guess: null and a missing key are empty cells, as in Papa Parse, pandas, polars and DuckDB.
# What happens: null is the text "null", a key that the row does not have is "undefined", and a key that is missing within a missing object
#   is "null" again. An answer "null" gives the same cell as no answer. csv2json makes null of both, and JSON of each cell that can be
#   parsed: the id "1e5" is 100000, "true" is a boolean, and the answer '{"a":1}' is an object. `emptyFieldValue: ''` writes empty cells.
# Version: json-2-csv 5.6.0, Node.js 20.20, 2026-11-28.
# Why it matters for batch files: failed requests are found by a filter on an error code that is not empty, and here each row passes it.
#   A column of tokens becomes text in other programs, because of its "undefined".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-fund --no-audit --prefix "$work" json-2-csv@5.6.0
cat > run.mjs <<'JAVASCRIPT'
import {csv2json, json2csv} from 'json-2-csv';

const rows = [
  {custom_id: '1e5', text: 'null', tokens: 20},
  {custom_id: 'b', text: null, error: {code: 'batch_expired'}},
  {custom_id: 'true', text: '{"a":1}', tokens: 30},
];
const cells = json2csv(rows);
const back = csv2json(cells);
const empty = json2csv(rows, {emptyFieldValue: ''}).split('\n');
console.log(cells);
console.log('read back:', JSON.stringify(back));
console.log("with emptyFieldValue '':", empty[2]);
const same = cells === 'custom_id,text,tokens,error.code\n1e5,null,20,null\nb,null,undefined,batch_expired\ntrue,"{""a"":1}",30,null' &&
  back[0].custom_id === 100000 && back[0].text === null && back[2].custom_id === true && back[2].text.a === 1 && empty[2] === 'b,,,batch_expired';
process.exit(same ? 0 : 1);
JAVASCRIPT
node run.mjs
