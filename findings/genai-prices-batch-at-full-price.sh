#!/usr/bin/env bash
# genai-prices answers a question about batch prices with the full price for most models, and for every batch before 14 October 2026.
#
# One would guess: `price_context={"processing": "batch"}` gives the batch price, or says that there is none.
# What happens: the same call gives half the price for gpt-4o-mini today, and the full price for a request of 1 October 2026, for
#   text-embedding-3-small, for any model of Azure or Together, and for "Batch" with a capital. Nothing in the result tells which.
# Version: genai-prices 0.2.3, Python 3.11, 2026-11-27.
# Why it matters for batch files: costs of older batches come out doubled, and a chart of costs falls on 14 October for no other reason.
#   Compare the price with and without the context: equal means "not known", not "no discount".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'genai-prices==0.2.3'
"$work/venv/bin/python" <<'PYTHON'
from datetime import datetime, timezone
from genai_prices import Usage, calc_price

usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
october, november = (datetime(2026, month, day, tzinfo=timezone.utc) for month, day in ((10, 1), (11, 27)))
cases = [("openai", "gpt-4o-mini", november, "batch"), ("openai", "gpt-4o-mini", october, "batch"),
         ("openai", "gpt-4o-mini", november, "Batch"), ("openai", "text-embedding-3-small", november, "batch"),
         ("azure", "gpt-4o-mini", november, "batch"), ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", november, "batch")]
shares = []
for provider, model, day, word in cases:
    full, asked = (calc_price(usage, model, provider_id=provider, genai_request_timestamp=day, price_context=context).total_price
                   for context in (None, {"processing": word}))
    shares.append(float(asked / full))
    print(f"{provider} {model} {day.date()} {word}: {shares[-1]:.0%} of the full price")
raise SystemExit(shares != [0.5, 1, 1, 1, 1, 1])
PYTHON
