#!/usr/bin/env bash
# fflate's gunzip returns the first member of a .gz file that has several, without an error.
#
# One would guess: a gzip file of two members is the text of both (RFC 1952), as in gzip, in Node's zlib, in DecompressionStream and in
#   pako; or an error says that data follows.
# What happens: gunzipSync, gunzip and decompressSync return 10 of 30 lines. The streaming class Gunzip of the same library returns all
#   of them.
# Version: fflate 0.8.3, Node.js 20.20, 2026-11-28.
# Why it matters for batch files: results that are merged with `cat`, appended to day by day, or compressed in blocks (bgzip) have several
#   members. A page or a function that opens them shows the first part, and its last line is complete, so nothing looks cut.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-fund --no-audit --prefix "$work" fflate@0.8.3 pako@3.0.3
cat > run.mjs <<'JAVASCRIPT'
import zlib from 'node:zlib';
import * as fflate from 'fflate';
import {ungzip} from 'pako';

const lines = (first, last) => Array.from({length: last - first}, (_, n) => JSON.stringify({custom_id: `request-${first + n}`}) + '\n').join('');
const file = Buffer.concat([zlib.gzipSync(lines(0, 10)), zlib.gzipSync(lines(10, 30))]);
const count = bytes => Buffer.from(bytes).toString().split('\n').length - 1;
const streamed = [];
new fflate.Gunzip(chunk => streamed.push(chunk)).push(file, true);
const seen = {
  'node:zlib gunzipSync': count(zlib.gunzipSync(file)),
  'pako ungzip': count(ungzip(file)),
  'fflate Gunzip': count(Buffer.concat(streamed)),
  'fflate gunzipSync': count(fflate.gunzipSync(file)),
  'fflate decompressSync': count(fflate.decompressSync(file)),
  'fflate gunzip': await new Promise((done, fail) => fflate.gunzip(file, (error, bytes) => error ? fail(error) : done(count(bytes)))),
};
for (const [name, found] of Object.entries(seen)) console.log(`${name}: ${found} of 30 lines`);
process.exit(Object.values(seen).join() === '30,30,30,10,10,10' ? 0 : 1);
JAVASCRIPT
node run.mjs
