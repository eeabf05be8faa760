"""Bodies of `/v1/chat/completions`."""

from __future__ import annotations

from random import Random

from benchmarks.generate.prose import Prose

__all__ = ["Chat"]

_REQUEST = (
    b'{"model": "gpt-4o-mini", "messages": [{"role": "system", "content": "You read notes of a field survey and answer in '
    b'plain English. Keep every number as it stands."}, {"role": "user", "content": "%s"}], "temperature": 0.2, '
    b'"max_completion_tokens": 800%s}'
)
_TOOLS = (
    b', "tools": [{"type": "function", "function": {"name": "record_note", "description": "Keep a note.", "parameters": '
    b'{"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"]}}}]'
)
_FORMAT = (
    b', "response_format": {"type": "json_schema", "json_schema": {"name": "note", "strict": true, "schema": {"type": '
    b'"object", "properties": {"topic": {"type": "string"}, "score": {"type": "integer"}, "note": {"type": "string"}}, '
    b'"required": ["topic", "score", "note"], "additionalProperties": false}}}'
)
_ANSWER = (
    b'{"id": "chatcmpl-%022x", "object": "chat.completion", "created": %d, "model": "gpt-4o-mini-2024-07-18", '
    b'"choices": [%s], "usage": {"prompt_tokens": %d, "completion_tokens": %d, "total_tokens": %d, '
    b'"prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0, '
    b'"audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}}, "service_tier": "default", '
    b'"system_fingerprint": "fp_%010x"}'
)
_CHOICE = (
    b'{"index": %d, "message": {"role": "assistant", "content": %s, %s"refusal": %s, "annotations": []}, "logprobs": null, '
    b'"finish_reason": "%s"}'
)
_CALL = (
    b'"tool_calls": [{"id": "call_%024x", "type": "function", "function": {"name": "record_note", "arguments": '
    b'"{\\"note\\": \\"%s\\"}"}}], '
)
_STYLES = {3: "tools", 23: "tools", 7: "format", 19: "format", 11: "cut", 31: "refusal"}
_PLAIN = b"survey of the northern bridge in the early morning, with two small boats and no signal from the station"


class Chat:
    """Mostly prose; some structured answers, tool calls, answers cut short, refusals and answers with two choices."""

    url = b"/v1/chat/completions"

    def __init__(self, prose: Prose) -> None:
        self._prose = prose

    def request(self, rng: Random, index: int) -> bytes:
        """Return a request whose options fit the answer of the same index."""
        options = {"tools": _TOOLS, "format": _FORMAT, "two": b', "n": 2'}.get(_style(index), b"")
        return _REQUEST % (self._prose.text(rng, rng.randint(10, 32)), options)

    def answer(self, rng: Random, index: int, created: int) -> bytes:
        """Return a `chat.completion`."""
        style = _style(index)
        text = self._prose.text(rng, rng.randint(10, 60))
        if style == "tools":
            choices = _CHOICE % (0, b"null", _CALL % (rng.getrandbits(96), _PLAIN), b"null", b"tool_calls")
        elif style == "format":
            answer = b'"{\\"topic\\":\\"bridge\\",\\"score\\":%d,\\"note\\":\\"%s\\"}"' % (rng.randint(0, 100), _PLAIN)
            choices = _CHOICE % (0, answer, b"", b"null", b"stop")
        elif style == "refusal":
            choices = _CHOICE % (0, b"null", b"", b"\"I'm sorry, I can't help with that.\"", b"stop")
        elif style == "two":
            other = self._prose.text(rng, rng.randint(10, 40))
            first = _CHOICE % (0, b'"%s"' % text, b"", b"null", b"stop")
            choices = first + b", " + _CHOICE % (1, b'"%s"' % other, b"", b"null", b"stop")
        else:
            choices = _CHOICE % (0, b'"%s"' % text, b"", b"null", b"length" if style == "cut" else b"stop")
        asked, said = rng.randint(60, 260), max(1, len(text) // 5)
        return _ANSWER % (rng.getrandbits(88), created, choices, asked, said, asked + said, rng.getrandbits(40))


def _style(index: int) -> str:
    """Return the kind of answer for a request; the most are plain prose."""
    return "two" if index % 400 == 13 else _STYLES.get(index % 50, "prose")
