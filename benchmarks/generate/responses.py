"""Bodies of `/v1/responses`."""

from __future__ import annotations

from random import Random

from benchmarks.generate.prose import Prose

__all__ = ["Responses"]

_REQUEST = (
    b'{"model": "gpt-5-mini", "instructions": "Answer in plain English.", "input": [{"role": "user", "content": '
    b'[{"type": "input_text", "text": "%s"}]}], "reasoning": {"effort": "medium", "summary": "auto"}, '
    b'"max_output_tokens": 2000}'
)
_ANSWER = (
    b'{"id": "resp_%048x", "object": "response", "created_at": %d, "status": "%s", "background": false, "completed_at": %s, '
    b'"error": null, "incomplete_details": %s, "instructions": "Answer in plain English.", "max_output_tokens": 2000, '
    b'"max_tool_calls": null, "model": "gpt-5-mini-2025-08-07", "output": [%s], "parallel_tool_calls": true, '
    b'"previous_response_id": null, "prompt_cache_key": null, "reasoning": {"effort": "medium", "summary": "auto"}, '
    b'"safety_identifier": null, "service_tier": "default", "store": true, "temperature": 1.0, "text": {"format": {"type": '
    b'"text"}, "verbosity": "medium"}, "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": '
    b'"disabled", "usage": {"input_tokens": %d, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": %d, '
    b'"output_tokens_details": {"reasoning_tokens": %d}, "total_tokens": %d}, "user": null, "metadata": {}}'
)
_REASONING = b'{"id": "rs_%048x", "type": "reasoning", "summary": [%s]}'
_SUMMARY = b'{"type": "summary_text", "text": "%s"}'
_MESSAGE = (
    b'{"id": "msg_%048x", "type": "message", "status": "%s", "content": [{"type": "output_text", "annotations": [], '
    b'"logprobs": [], "text": "%s"}], "role": "assistant"}'
)


class Responses:
    """A reasoning item and a message; some with a fragment before the message, some cut short."""

    url = b"/v1/responses"

    def __init__(self, prose: Prose) -> None:
        self._prose = prose

    def request(self, rng: Random, index: int) -> bytes:  # noqa: ARG002 - all requests are of one kind
        """Return a request with instructions."""
        return _REQUEST % self._prose.text(rng, rng.randint(8, 30))

    def answer(self, rng: Random, index: int, created: int) -> bytes:
        """Return a `response`."""
        cut = index % 40 == 17
        summary = _SUMMARY % self._prose.text(rng, 12) if index % 3 == 0 else b""
        items = [_REASONING % (rng.getrandbits(192), summary)]
        if index % 64 == 9:
            items.append(_MESSAGE % (rng.getrandbits(192), b"incomplete", self._prose.text(rng, 3)))
        text = self._prose.text(rng, rng.randint(10, 60))
        items.append(_MESSAGE % (rng.getrandbits(192), b"incomplete" if cut else b"completed", text))
        asked, thought = rng.randint(60, 260), 64 * rng.randint(1, 8)
        said = thought + len(text) // 5
        return _ANSWER % (
            rng.getrandbits(192),
            created,
            b"incomplete" if cut else b"completed",
            b"null" if cut else b"%d" % (created + 9),
            b'{"reason": "max_output_tokens"}' if cut else b"null",
            b", ".join(items),
            asked,
            said,
            thought,
            asked + said,
        )
