#!/usr/bin/env bash
# The npm package jsonlines replaces characters that fall on the border of two chunks of its input.
#
# One would guess: a parser that is fed with a byte stream decodes it as one UTF-8 text, as `ndjson`, `readline` and stream-json do.
# What happens: each chunk is decoded alone. A character of two or more bytes at the end of a chunk (64 KiB in a file stream) becomes two
#   or more U+FFFD. Every line still parses, the row count is right, and no error event is sent.
# Version: jsonlines 0.1.1, ndjson 2.0.0, Node.js 20.20, 2026-11-28.
# Why it matters for batch files: answers in any language but English are changed at a few places of each file, at the same ones in every
#   run. A comparison with the table of another program finds different answers for the same requests; ids with such characters are lost.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-fund --no-audit --prefix "$work" jsonlines@0.1.1 ndjson@2.0.0
cat > run.mjs <<'JAVASCRIPT'
import fs from 'node:fs';
import jsonlines from 'jsonlines';
import ndjson from 'ndjson';

const rows = Array.from({length: 3000}, (_, n) => ({custom_id: `r${n}`, text: '図書館は十時に開きます。'.repeat(8) + 'x'.repeat(n % 7)}));
fs.writeFileSync('rows.jsonl', rows.map(row => JSON.stringify(row) + '\n').join(''));
const read = parser => new Promise((done, fail) => {
  const found = [];
  fs.createReadStream('rows.jsonl').pipe(parser).on('data', row => found.push(row)).on('end', () => done(found)).on('error', fail);
});
const changed = {};
for (const [name, parser] of Object.entries({jsonlines: jsonlines.parse(), ndjson: ndjson.parse()})) {
  const found = await read(parser);
  const wrong = found.filter((row, n) => row.text !== rows[n].text);
  changed[name] = wrong.length;
  console.log(`${name}: ${found.length} rows, ${wrong.length} with other text, ${wrong.filter(row => row.text.includes('\ufffd')).length} of them with U+FFFD`);
}
process.exit(changed.jsonlines > 0 && changed.ndjson === 0 ? 0 : 1);
JAVASCRIPT
node run.mjs
