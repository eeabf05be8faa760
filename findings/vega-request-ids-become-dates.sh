#!/usr/bin/env bash
# Vega's loader takes the ids "request-1" to "request-12" for the months of 2001.
#
# One would guess: automatic types turn "2026-11-27" into a date and leave "request-1" alone.
# What happens: a column counts as dates when JavaScript's Date.parse reads each of its values, and V8 reads "request-1" as 1 January
#   2001. Twelve requests become twelve months; with a thirteenth the whole column stays text. "00123" and "0123" become the one number
#   123.
# Version: vega-loader 5.1.3, Node.js 20.20, 2026-11-27.
# Why it matters for batch files: such ids are what batch helpers make up, and automatic types are how charts of answers are drawn. A
#   small trial batch shows a time axis and the full one does not. Name the type of custom_id: {"parse": {"custom_id": "string"}}.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-fund --no-audit --prefix "$work" vega-loader@5.1.3
export TZ=UTC
cat > run.mjs <<'JAVASCRIPT'
import {read} from 'vega-loader';

const ids = number => Array.from({length: number}, (_, index) => ({custom_id: `request-${index + 1}`}));
const load = (rows, parse) => read(JSON.stringify(rows), {type: 'json', parse}).map(row => row.custom_id);
const day = value => typeof value === 'string' ? value : new Date(value).toISOString().slice(0, 10);
const twelve = load(ids(12), 'auto').map(day);
const thirteen = load(ids(13), 'auto');
const numbers = load([{custom_id: '00123'}, {custom_id: '0123'}], 'auto');
const named = load(ids(12), {custom_id: 'string'});
console.log('12 requests:', twelve.slice(0, 3).join(' '), '...', twelve[11]);
console.log('13 requests:', thirteen.slice(0, 3).join(' '), '...', thirteen[12]);
console.log('00123 and 0123:', numbers.join(' '));
console.log('12 requests, named as string:', named.slice(0, 3).join(' '), '...', named[11]);
const months = twelve.every((value, index) => value === `2001-${String(index + 1).padStart(2, '0')}-01`);
process.exit(months && thirteen[0] === 'request-1' && numbers.join() === '123,123' && named[0] === 'request-1' ? 0 : 1);
JAVASCRIPT
node run.mjs
