#!/usr/bin/env bash
# gpt-tokenizer counts a message with tool calls as if the calls were not there.
#
# One would guess: encodeChat counts what the model reads: the name and the arguments of a call, or that it refuses such messages.
# What happens: an assistant message with empty content costs 4 tokens, with or without a tool call of 500 characters. The same message
#   with content null, as the API itself returns it, is a TypeError, and so is a content list with one text part.
# Version: gpt-tokenizer 4.0.0, Node.js 20.20, 2026-11-27.
# Why it matters for batch files: files are split by tokens to stay below the enqueued-token limit of an account. Conversations of agents
#   are mostly tool calls and their results; a split by this count is refused by the service.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-fund --no-audit --prefix "$work" gpt-tokenizer@4.0.0
cat > run.mjs <<'JAVASCRIPT'
import {encodeChat, countTokens} from 'gpt-tokenizer/model/gpt-4o';

const question = {role: 'user', content: 'What is the weather in Rome?'};
const call = {name: 'get_weather', arguments: JSON.stringify({places: Array.from({length: 60}, (_, index) => `place ${index}`)})};
const tools = [{id: 'call_1', type: 'function', function: call}];
const count = (...messages) => {
  try {
    return encodeChat(messages).length;
  } catch (error) {
    return error.name;
  }
};
const seen = {
  'without a call': count(question, {role: 'assistant', content: ''}),
  'with a call': count(question, {role: 'assistant', content: '', tool_calls: tools}),
  'with a call, content null': count(question, {role: 'assistant', content: null, tool_calls: tools}),
  'content as a list': count({role: 'user', content: [{type: 'text', text: question.content}]}),
};
const alone = countTokens(call.arguments);
console.log(`tokens of the arguments alone: ${alone}`, seen);
process.exit(alone > 100 && Object.values(seen).join() === '18,18,TypeError,TypeError' ? 0 : 1);
JAVASCRIPT
node run.mjs
