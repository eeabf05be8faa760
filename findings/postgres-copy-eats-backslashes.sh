#!/usr/bin/env bash
# PostgreSQL's COPY loads JSON lines into a jsonb column with other texts: "Caf\u00e9" becomes "Cafu00e9", and no error is raised.
#
# One would guess: jsonb checks each line, so a line arrives as it is or COPY stops.
# What happens: COPY's text format takes the backslashes away first. What is left of "\u00e9" is "u00e9", and "C:\\temp" becomes "C:" and
#   a tab: both are valid JSON with another text. Only a line with an escaped quote or line end stops the load, and then all of it.
# Version: PostgreSQL 18.7 (PGlite 0.5.17), Node.js 20.20, 2026-11-28.
# Why it matters for batch files: many writers, Python's json module among them, escape each character beyond ASCII, so short answers
#   without quotes load and lose their accents and emoji. As CSV with a quote and a delimiter that cannot occur in JSON, the lines arrive.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-fund --no-audit --prefix "$work" @electric-sql/pglite@0.5.17
cat > run.mjs <<'JAVASCRIPT'
import {PGlite} from '@electric-sql/pglite';

const database = new PGlite();
await database.exec('CREATE TABLE results (line jsonb)');
const load = async (line, options = '') => {
  await database.exec('TRUNCATE results');
  try {
    await database.query(`COPY results FROM '/dev/blob' ${options}`, [], {blob: new Blob([line + '\n'])});
  } catch (error) {
    return error.message;
  }
  return (await database.query("SELECT line ->> 'text' AS text FROM results")).rows[0].text;
};
const escaped = text => JSON.stringify({text}).replace(/[^\x00-\x7f]/g, unit => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0'));
const texts = ['Caf\u00e9 \u{1f600}', 'C:\\temp', 'He said "yes".'];
const plain = [], quoted = [];
for (const text of texts) {
  plain.push(await load(escaped(text)));
  quoted.push(await load(escaped(text), "WITH (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"));
  console.log(`${escaped(text)}  COPY: ${JSON.stringify(plain.at(-1))}  COPY as CSV: ${JSON.stringify(quoted.at(-1))}`);
}
const expected = ['Cafu00e9 ud83dude00', 'C:\temp', 'invalid input syntax for type json'];
process.exit(plain.join('|') === expected.join('|') && quoted.join('|') === texts.join('|') ? 0 : 1);
JAVASCRIPT
node run.mjs
