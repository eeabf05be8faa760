#!/usr/bin/env bash
# Apache Arrow for JavaScript drops nested keys that the first object did not have, and turns a content list into "[object Object]".
#
# One would guess: tableFromJSON either takes in all keys or says that the rows differ. Keys of the row itself are found wherever they
#   occur.
# What happens: the type of a nested object is that of the first row that has one; `cached_tokens` of the second usage is gone without an
#   error. A column that starts with a text is text: the content list of an image request becomes the words "[object Object]".
# Version: apache-arrow 21.2.0, Node.js 20.20, 2026-11-27.
# Why it matters for batch files: usage details, refusals and tool calls are in some answers only, and content is a text in one request
#   and a list in the next. The table has all rows and no error, and its sums of cached tokens are 0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-fund --no-audit --prefix "$work" apache-arrow@21.2.0
cat > run.mjs <<'JAVASCRIPT'
import {tableFromJSON} from 'apache-arrow';

const rows = [
  {custom_id: 'a', usage: {prompt_tokens: 1}, content: 'What is this?'},
  {custom_id: 'b', usage: {prompt_tokens: 9, cached_tokens: 8}, content: [{type: 'text', text: 'What is this?'}], late: 1},
];
const seen = JSON.stringify(tableFromJSON(rows).toArray().map(row => row.toJSON()));
console.log('given:', JSON.stringify(rows[1]));
console.log('read: ', JSON.stringify(JSON.parse(seen)[1]));
const expected = [
  {custom_id: 'a', usage: {prompt_tokens: 1}, content: 'What is this?', late: null},
  {custom_id: 'b', usage: {prompt_tokens: 9}, content: '[object Object]', late: 1},
];
process.exit(seen === JSON.stringify(expected) ? 0 : 1);
JAVASCRIPT
node run.mjs
