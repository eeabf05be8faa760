#!/usr/bin/env bash
# Bespoke Curator computes the cost of a batch answer from its visible text, so reasoning tokens are free.
#
# One would guess: response_cost is computed from the tokens in the answer's usage, which Curator reads and stores beside it.
# What happens: it counts the tokens of the text of the Python list of messages, and of the visible answer. An answer "yes" after 1,990
#   reasoning tokens costs as much as the word: 0.35 % of what is billed. An image in a request is counted as the base64 text that it is.
# Version: bespokelabs-curator 0.1.31 with litellm 1.83.7 and openai 2.30.0, Python 3.11, 2026-11-28.
# Why it matters for batch files: most output tokens of reasoning models are not in the text. The bill is hundreds of times what
#   these costs add up to. The usage of the same result has the right numbers.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'uv==0.13.9'
"$work/venv/bin/uv" pip install -q --python "$work/venv/bin/python" 'bespokelabs-curator==0.1.31' 'litellm==1.83.7' 'openai==2.30.0'
export LITELLM_LOCAL_MODEL_COST_MAP=True TELEMETRY_ENABLED=0 CURATOR_DISABLE_RICH_DISPLAY=1 HF_HOME="$work" HOME="$work"
"$work/venv/bin/python" - 2> log <<'PYTHON' || { cat log; exit 1; }
import litellm
from bespokelabs.curator.llm.prompt_formatter import PromptFormatter
from bespokelabs.curator.request_processor.batch.openai_batch_request_processor import OpenAIBatchRequestProcessor
from bespokelabs.curator.request_processor.config import BatchRequestProcessorConfig
from bespokelabs.curator.types.generic_request import GenericRequest
from openai.types import Batch

MODEL = "o4-mini"
processor = OpenAIBatchRequestProcessor(BatchRequestProcessorConfig(model=MODEL, api_key="none"))
processor.prompt_formatter = PromptFormatter(model_name=MODEL, prompt_func=lambda row: row["question"])
batch = Batch.model_validate({
    "id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "f", "completion_window": "24h",
    "status": "completed", "created_at": 1, "completed_at": 2, "request_counts": {"total": 1, "completed": 1, "failed": 0}})


def cost(content, usage):
    request = GenericRequest(model=MODEL, messages=[{"role": "user", "content": content}], original_row={}, original_row_idx=0)
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}
    line = {"custom_id": "0", "response": {"status_code": 200, "body": {"model": MODEL, "choices": [choice], "usage": usage}}}
    response = processor.parse_api_specific_response(line, request, processor.parse_api_specific_batch_object(batch, "requests_0.jsonl"))
    price = litellm.model_cost[MODEL]
    tokens = response.token_usage
    billed = (tokens.input * price["input_cost_per_token"] + tokens.output * price["output_cost_per_token"]) / 2
    print(f"  {tokens.input} input and {tokens.output} output tokens: response_cost ${response.response_cost:.7f}, by usage ${billed:.7f}")
    return response.response_cost / billed


print("an answer of one word after 1,990 reasoning tokens:")
reasoned = cost("Is 1000003 prime? Answer yes or no.", {
    "prompt_tokens": 18, "completion_tokens": 2001, "total_tokens": 2019, "completion_tokens_details": {"reasoning_tokens": 1990}})
print("a question about an image of 60 kB:")
image = [{"type": "text", "text": "Is this a cat?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0K" * 10_000}}]
seen = cost(image, {"prompt_tokens": 800, "completion_tokens": 1, "total_tokens": 801})
raise SystemExit(not (reasoned < 0.01 and seen > 10))
PYTHON
