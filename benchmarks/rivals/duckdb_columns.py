"""The table of a join in DuckDB's SQL: explicit types, and an expression for each column.

Every choice that costs nothing in correctness is made for speed. Tried on DuckDB 2.0 with two threads: types for each key that is
read and none for the others (twice as fast as `JSON` and paths into it); `rowid` of a temporary table for the line numbers (a
`row_number() OVER ()` in the scan makes the whole pipeline run on one thread); no window function over wide rows.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["columns", "columns_of_results", "read_inputs", "read_results", "text"]

_CALL = 'STRUCT(id VARCHAR, "function" STRUCT(name VARCHAR, arguments VARCHAR))'
_CHOICE = f"STRUCT(message STRUCT(content VARCHAR, refusal VARCHAR, tool_calls {_CALL}[]), logprobs JSON, finish_reason VARCHAR)"
_USAGE = """STRUCT(prompt_tokens BIGINT, completion_tokens BIGINT, total_tokens BIGINT,
    prompt_tokens_details STRUCT(cached_tokens BIGINT, cache_write_tokens BIGINT),
    completion_tokens_details STRUCT(reasoning_tokens BIGINT))"""
_ERROR = 'STRUCT(message VARCHAR, "type" VARCHAR, param VARCHAR, code VARCHAR)'
_BODY = f'STRUCT(id VARCHAR, created BIGINT, model VARCHAR, choices {_CHOICE}[], "usage" {_USAGE}, error {_ERROR})'
_RESPONSE = f"STRUCT(status_code INTEGER, request_id VARCHAR, body {_BODY})"

_RESULT_TYPES = f"{{id: 'VARCHAR', custom_id: 'VARCHAR', response: '{_RESPONSE}', error: '{_ERROR}'}}"
_INPUT_TYPES = "{custom_id: 'VARCHAR', url: 'VARCHAR', body: 'JSON'}"

_RESULT = """
    custom_id, id AS batch_request_id, response.status_code AS status_code, response.request_id AS request_id,
    response.body.id AS response_id, response.body.model AS model, to_timestamp(response.body.created) AS created_at,
    response.body.choices[1].finish_reason AS finish_reason, response.body.choices[1].message.content AS text,
    CASE WHEN len(response.body.choices) > 1 THEN [x.message.content FOR x IN response.body.choices] END AS texts,
    response.body.choices[1].message.refusal AS refusal,
    [{'id': x.id, 'name': x.function.name, 'arguments': x.function.arguments}
        FOR x IN response.body.choices[1].message.tool_calls] AS tool_calls,
    response.body.usage.prompt_tokens AS input_tokens, response.body.usage.completion_tokens AS output_tokens,
    response.body.usage.total_tokens AS total_tokens, response.body.usage.prompt_tokens_details.cached_tokens AS cached_tokens,
    response.body.usage.prompt_tokens_details.cache_write_tokens AS cache_write_tokens,
    response.body.usage.completion_tokens_details.reasoning_tokens AS reasoning_tokens,
    coalesce(error.code, response.body.error.code) AS error_code,
    coalesce(error.type, response.body.error.type) AS error_type,
    coalesce(error.param, response.body.error.param) AS error_param,
    coalesce(error.message, response.body.error.message) AS error_message,
    CASE WHEN error_code = 'batch_expired' THEN 'expired'
         WHEN error_code = 'batch_cancelled' THEN 'cancelled'
         WHEN error_code IS NOT NULL OR error_message IS NOT NULL OR status_code NOT BETWEEN 200 AND 299 THEN 'failed'
         WHEN response.body IS NULL THEN 'no_response'
         WHEN finish_reason IN ('length', 'content_filter')
            OR (texts IS NOT NULL AND
                len([1 FOR x IN response.body.choices IF x.finish_reason IN ('length', 'content_filter')]) > 0) THEN 'incomplete'
         ELSE 'succeeded' END AS outcome,
    CASE WHEN outcome <> 'succeeded' OR texts IS NOT NULL OR response.body.choices[1].logprobs IS NOT NULL
         THEN to_json(response.body) END AS response_body"""

_TABLE = """
    i.custom_id, coalesce(r.outcome, 'missing') AS outcome, r.status_code,
    r.error_code, r.error_type, r.error_param, r.error_message,
    CASE WHEN r.outcome IN ('succeeded', 'incomplete') THEN false
         WHEN r.outcome = 'failed' THEN coalesce(r.status_code IN (408, 409, 429) OR r.status_code >= 500, true)
         ELSE true END AS retryable,
    i.url AS endpoint, r.model, r.finish_reason, r.text, r.texts, r.refusal, NULL::VARCHAR AS reasoning,
    CASE WHEN len(r.tool_calls) > 0 THEN r.tool_calls END AS tool_calls,
    r.input_tokens, r.output_tokens, r.total_tokens, r.cached_tokens, r.reasoning_tokens,
    NULL::BOOLEAN AS flagged, NULL::VARCHAR[] AS flagged_categories, NULL::MAP(VARCHAR, DOUBLE) AS category_scores,
    r.created_at, r.batch_id, r.batch_request_id, r.response_id, r.request_id, coalesce(r.attempts, 0)::INTEGER AS attempts,
    r.result_source, r.result_line_number, i.input_source, i.input_line_number,
    i.body->>'$.model' AS request_model, i.body AS request_body, r.response_body, r.cache_write_tokens"""


def text(value: str | Path) -> str:
    """Write a string as SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def read_results(path: Path, more: str = "") -> str:
    """Return the query that reads an output file or an error file; `more` is one column more."""
    return f"SELECT {_RESULT}{more} FROM read_ndjson({text(path)}, columns = {_RESULT_TYPES})"


def read_inputs(path: Path, more: str = "") -> str:
    """Return the query that reads a request file; `more` is one column more."""
    return f"SELECT custom_id, url, body{more} FROM read_ndjson({text(path)}, columns = {_INPUT_TYPES})"


def columns() -> str:
    """Return the columns of the joined table, of the inputs `i` and the best results `r`."""
    return _TABLE


def columns_of_results() -> str:
    """Return the same columns of results `r` whose requests are not known."""
    answered = "CASE WHEN r.finish_reason IS NOT NULL THEN '/v1/chat/completions' END"
    changes = {
        "i.custom_id": "r.custom_id",
        "coalesce(r.outcome, 'missing')": "r.outcome",
        "i.url": answered,
        "coalesce(r.attempts, 0)::INTEGER": "NULL::INTEGER",
        "i.input_source, i.input_line_number": "NULL::VARCHAR AS input_source, NULL::BIGINT AS input_line_number",
        "i.body->>'$.model'": "NULL::VARCHAR",
        "i.body AS": "NULL::VARCHAR AS",
    }
    found = _TABLE
    for old, new in changes.items():
        found = found.replace(old, new)
    return found
