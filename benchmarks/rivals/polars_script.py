"""The join as a script for polars: a schema for the keys that are read, one row for each id, a join, `write_parquet`.

`python -m benchmarks.rivals.polars_script FILES -o FILE`. It makes the columns of the script for pandas.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

__all__ = ["main"]

_TEXT, _NUMBER = pl.String(), pl.Int64()
_CALL = pl.Struct({"id": _TEXT, "type": _TEXT, "function": pl.Struct({"name": _TEXT, "arguments": _TEXT})})
_MESSAGE = pl.Struct({"content": _TEXT, "refusal": _TEXT, "tool_calls": pl.List(_CALL)})
_USAGE = pl.Struct({"prompt_tokens": _NUMBER, "completion_tokens": _NUMBER, "total_tokens": _NUMBER})
_ERROR = pl.Struct({"message": _TEXT, "code": _TEXT})
_CHOICES = pl.List(pl.Struct({"message": _MESSAGE, "finish_reason": _TEXT}))
_BODY = pl.Struct({"model": _TEXT, "created": _NUMBER, "choices": _CHOICES, "usage": _USAGE, "error": _ERROR})
_RESPONSE = pl.Struct({"status_code": _NUMBER, "body": _BODY})
_RESULTS = {"custom_id": _TEXT, "response": _RESPONSE, "error": _ERROR}
_REQUESTS = {"custom_id": _TEXT, "url": _TEXT, "body": _TEXT}


def _results(paths: Sequence[Path]) -> pl.LazyFrame:
    response, error = pl.col("response").struct, pl.col("error").struct
    body = response.field("body").struct
    choice = body.field("choices").list.first().struct
    message, finish_reason = choice.field("message").struct, choice.field("finish_reason")
    status, calls = response.field("status_code"), message.field("tool_calls")
    code = pl.coalesce(error.field("code"), body.field("error").struct.field("code"))
    usage = body.field("usage").struct
    return pl.scan_ndjson(list(paths), schema=_RESULTS).select(
        "custom_id",
        pl.when(code == "batch_expired")
        .then(pl.lit("expired"))
        .when(status.ne_missing(200))
        .then(pl.lit("failed"))
        .when(finish_reason.is_in(["length", "content_filter"]))
        .then(pl.lit("incomplete"))
        .otherwise(pl.lit("succeeded"))
        .alias("outcome"),
        status.alias("status_code"),
        code.alias("error_code"),
        pl.coalesce(error.field("message"), body.field("error").struct.field("message")).alias("error_message"),
        body.field("model").alias("model"),
        finish_reason.alias("finish_reason"),
        message.field("content").alias("text"),
        message.field("refusal").alias("refusal"),
        pl.when(calls.list.len() > 0).then(calls).alias("tool_calls"),
        usage.field("prompt_tokens").alias("input_tokens"),
        usage.field("completion_tokens").alias("output_tokens"),
        usage.field("total_tokens").alias("total_tokens"),
        pl.from_epoch(body.field("created"), time_unit="s").dt.replace_time_zone("UTC").alias("created"),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Join the files."""
    parser = argparse.ArgumentParser(description="Join in polars.")
    parser.add_argument("inputs", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(argv)
    model = pl.col("body").str.json_path_match("$.model").alias("request_model")
    requests = pl.scan_ndjson(options.inputs, schema=_REQUESTS).select(
        "custom_id", pl.col("url").alias("endpoint"), model, pl.col("body").alias("request_body")
    )
    results = _results(options.results).unique("custom_id", keep="last", maintain_order=True)
    table = requests.join(results, on="custom_id", how="left", maintain_order="left")
    table.with_columns(pl.col("outcome").fill_null("missing")).collect().write_parquet(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
