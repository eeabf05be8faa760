#!/usr/bin/env bash
# Setting "body.logit_bias.50256" with lodash, dot-prop, object-path, set-value, dpath or sjson makes a list of 50,257 items.
#
# One would guess: logit_bias is an object whose keys are token ids, and the path names the key "50256": {"50256": -100}.
# What happens: where logit_bias does not exist yet, a part of a path that has only digits is a position. The request gets 50,256 nulls and
#   -100 at their end, 250 kB a line. If an empty logit_bias is there, the same call sets the key; set-value makes a list of it, too.
# Version: lodash 4.18.1, dot-prop 10.2.0, object-path 0.11.8, set-value 4.1.0 with Node.js 20.20, dpath 2.2.0 with Python 3.11,
#   sjson 1.2.9 with Go 1.26, 2026-11-28.
# Why it matters for batch files: the same change in every line is what these libraries are used for. A file of 800 requests goes beyond
#   200 MB, and each of its requests is refused, after the upload. Set the whole object, {"50256": -100}.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-fund --no-audit --prefix "$work" lodash@4.18.1 dot-prop@10.2.0 object-path@0.11.8 set-value@4.1.0
cat > run.mjs <<'JAVASCRIPT'
import lodash from 'lodash';
import {setProperty} from 'dot-prop';
import objectPath from 'object-path';
import setValue from 'set-value';

const path = 'body.logit_bias.50256';
let same = true;
for (const [name, set] of Object.entries({lodash: lodash.set, 'dot-prop': setProperty, 'object-path': objectPath.set, 'set-value': setValue})) {
  const line = {custom_id: 'a', body: {model: 'm'}};
  const filled = {custom_id: 'a', body: {model: 'm', logit_bias: {}}};
  set(line, path, -100);
  set(filled, path, -100);
  const size = JSON.stringify(line).length;
  const [made, kept] = [Array.isArray(line.body.logit_bias), !Array.isArray(filled.body.logit_bias)];
  console.log(`${name}: ${made ? 'a list' : 'an object'} of ${size} bytes; an empty object ${kept ? 'stays one' : 'becomes a list'}`);
  same &&= made && size > 250_000 && kept === (name !== 'set-value');
}
process.exit(same ? 0 : 1);
JAVASCRIPT
node run.mjs
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'dpath==2.2.0'
"$work/venv/bin/python" <<'PYTHON'
import dpath

line = {"custom_id": "a", "body": {"model": "m"}}
dpath.new(line, "body/logit_bias/50256", -100)
made = line["body"]["logit_bias"]
print(f"dpath: {type(made).__name__} of {len(made)}")
raise SystemExit(not (isinstance(made, list) and len(made) == 50257 and made[0] is None))
PYTHON
mkdir sjson && cd sjson
cat > main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/tidwall/sjson"
)

func main() {
	line, err := sjson.Set(`{"custom_id":"a","body":{"model":"m"}}`, "body.logit_bias.50256", -100)
	fmt.Println("sjson:", len(line), "bytes, error:", err)
	if err != nil || !strings.Contains(line, `"logit_bias":[null,null`) || len(line) < 250_000 {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get github.com/tidwall/sjson@v1.2.9 2>/dev/null
go run .
