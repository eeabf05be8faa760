#!/usr/bin/env bash
# Portkey's gateway writes the failed requests of a Bedrock batch without their ids, and answers that begin with thinking as "".
#
# One would guess: the output of a batch is in the format of OpenAI, as the gateway's other files are: a failed request has its custom_id
#   and an error, and an answer has the text of its content.
# What happens: GET /v1/batches/ID/output translates the file of Bedrock line by line. A record with an error becomes only that error,
#   {"errorCode": ..., "errorMessage": ...}. Of an answer of Claude the first block is the text: with thinking first the content is "", and of
#   two text blocks the second is gone. The finish_reason is Claude's word, "end_turn" or "max_tokens".
# Version: @portkey-ai/gateway 1.15.2, Node.js 20.20, 2026-11-28. The answers of AWS are made up by the script, in Bedrock's format.
# Why it matters for batch files: a failed request can be found only by looking which id is missing, and its cause has no id. Each
#   answer of a model that thinks is empty, with status 200, and its tokens are paid for.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${gateway:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-fund --no-audit --prefix "$work" @portkey-ai/gateway@1.15.2
cat > aws.mjs <<'JAVASCRIPT'
const answer = (recordId, stop_reason, ...content) => {
  const usage = {input_tokens: 1, output_tokens: 2};
  const modelOutput = {id: `msg_${recordId}`, type: 'message', role: 'assistant', model: 'claude', content, stop_reason, usage};
  return {recordId, modelInput: {}, modelOutput};
};
const text = (text) => ({type: 'text', text});
const records = [
  answer('a', 'end_turn', text('At ten.')),
  {recordId: 'b', modelInput: {}, error: {errorCode: 400, errorMessage: 'Input is too long for requested model.'}},
  answer('c', 'end_turn', {type: 'thinking', thinking: 'On Saturdays ...', signature: 's'}, text('At noon.')),
  answer('d', 'max_tokens', text('At one, '), text('or at')),
];
const job = {
  jobArn: 'arn:aws:bedrock:us-east-1:1:model-invocation-job/1', modelId: 'anthropic.claude-sonnet-4-5', status: 'Completed',
  inputDataConfig: {s3InputDataConfig: {s3Uri: 's3://bucket/in.jsonl'}}, outputDataConfig: {s3OutputDataConfig: {s3Uri: 's3://bucket/out/'}},
};
const other = globalThis.fetch;
globalThis.fetch = async (url, options) => {
  if (!String(url).includes('amazonaws.com')) return other(url, options);
  if (String(url).includes('model-invocation-job')) return Response.json(job);
  const file = records.map((record) => JSON.stringify(record) + '\n').join('');
  return new Response(file, {headers: {'content-type': 'binary/octet-stream'}});
};
JAVASCRIPT
cat > run.mjs <<'JAVASCRIPT'
const headers = {
  'x-portkey-provider': 'bedrock', 'x-portkey-aws-access-key-id': 'none', 'x-portkey-aws-secret-access-key': 'none',
  'x-portkey-aws-region': 'us-east-1',
};
const url = `http://localhost:${process.argv[2]}/v1/batches/${encodeURIComponent('arn:aws:bedrock:us-east-1:1:model-invocation-job/1')}/output`;
let response;
for (let attempt = 0; !response && attempt < 100; attempt++) {
  response = await fetch(url, {headers}).catch(() => new Promise((resolve) => setTimeout(resolve, 200)));
}
const lines = (await response.text()).trim().split(/\r?\n/).map((line) => JSON.parse(line));
for (const line of lines) {
  const choice = line.response?.body.choices[0];
  console.log(line.custom_id ?? '(no custom_id)', JSON.stringify(choice ? [choice.message.content, choice.finish_reason] : line));
}
const seen = JSON.stringify(lines.map((line) => [line.custom_id, line.response?.body.choices[0].message.content]));
process.exit(seen === JSON.stringify([['a', 'At ten.'], [undefined, undefined], ['c', ''], ['d', 'At one, ']]) && !('error' in lines[1]) ? 0 : 1);
JAVASCRIPT
port=$(node -e 'const s = require("net").createServer().listen(0, () => { console.log(s.address().port); s.close(); })')
node --import ./aws.mjs node_modules/@portkey-ai/gateway/build/start-server.js --port="$port" --headless > gateway.log 2>&1 &
gateway=$!
node run.mjs "$port"
