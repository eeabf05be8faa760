"""The parameters of the endpoints that take a text or an image: completions, embeddings, moderations, images and videos.

Types of the parameters that vLLM's `run-batch` accepts: a value of another type stops the whole run.

vLLM reads a body with pydantic, which converts strings such as "100" to numbers, and accepts unknown parameters. So only
what pydantic can't convert is an error here (vllm/entrypoints/openai of vllm-project/vllm at 0056ae7, read 2026-11).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batchfiles.rules.kinds import (
    ANY,
    BOOKKEEPING,
    PENALTIES,
    SAMPLING,
    SDK_ARGUMENTS,
    STOP,
    Check,
    Faults,
    Shape,
    array,
    boolean,
    described,
    either,
    fields,
    integer,
    items,
    missing,
    nullable,
    refused,
    shape_of,
    tagged,
    text,
    unsupported,
    word,
    wrong_kind,
)

ELSEWHERE = {
    **SDK_ARGUMENTS,
    "messages": "that is a parameter of /v1/chat/completions, so the url may be wrong",
}
"""What to use instead of parameters of other endpoints."""

TEXTS_OR_TOKENS = "a string, an array of strings, or an array of tokens"


def check_embedding_input(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Take texts to embed, of which none is empty."""
    return _texts_or_tokens(value, path, empty=False)


def check_prompt(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Take texts to complete."""
    return _texts_or_tokens(value, path, empty=True)


def _texts_or_tokens(value: Any, path: str, *, empty: bool) -> Faults:  # noqa: ANN401 - any JSON value
    if type(value) is str:
        return () if value or empty else refused(path, f"Invalid '{path}': the string is empty.")
    if type(value) is not list:
        return wrong_kind(path, TEXTS_OR_TOKENS, value)
    kinds = set(map(type, value))
    if kinds == {str}:
        if empty or "" not in value:
            return ()
        place = f"{path}[{value.index('')}]"
        return refused(place, f"Invalid '{place}': the string is empty.")
    if kinds == {int}:
        return ()
    if kinds == {list}:
        return array(array(integer(), fewest=1))(value, path)
    first = type(value[0]) if value else str
    wanted = {str: "a string", int: "an integer", list: "an array of tokens"}.get(first)
    wrong = next(((place, each) for place, each in enumerate(value) if wanted is None or type(each) is not first), None)
    return wrong_kind(f"{path}[{wrong[0]}]", wanted or "a string or an integer", wrong[1]) if wrong else ()


def _shape_of_texts(least: int) -> Shape:
    """Return the shape of texts or tokens; `least` is the length of the shortest text."""
    texts, tokens = {"text": {"least": least}}, {"integer": (None, None)}
    lists = [items(texts), items(tokens, is_one=True), items({"lists": [items(tokens, 1)]})]
    return {**texts, "lists": lists}


described(check_embedding_input, _shape_of_texts(1))
described(check_prompt, _shape_of_texts(0))

MODERATED = tagged({"text": fields({"text": text()}), "image_url": fields({"image_url": fields({"url": text()})})})

MODERATED_PARTS, MODERATED_TEXTS = array(MODERATED), array(text())
"""Made once: a check that is made for each line would stay in memory."""


def check_moderation_input(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Accept a text, texts, or an array of texts and images."""
    if type(value) is str:
        return ()
    if type(value) is not list:
        return wrong_kind(path, "a string or an array", value)
    is_of_parts = bool(value) and type(value[0]) is dict
    return (MODERATED_PARTS if is_of_parts else MODERATED_TEXTS)(value, path)


described(check_moderation_input, {"text": {}, "lists": [items(shape_of(text())), items(shape_of(MODERATED))]})

check_picture_prompt = text(32_000)

EMBEDDINGS: dict[str, Check] = {"dimensions": integer(1), "encoding_format": word("float", "base64"), "user": text()}

MODERATIONS: dict[str, Check] = {}

COMPLETIONS: dict[str, Check] = {
    **SAMPLING,
    **PENALTIES,
    "best_of": integer(0, 20),
    "echo": boolean,
    "logprobs": integer(0, 5),
    "max_tokens": integer(0),
    "n": integer(1, 128),
    "stop": STOP,
    "stream": boolean,
    "stream_options": fields(),
    "suffix": text(),
    "user": text(),
}

PICTURES: dict[str, Check] = {
    "background": word("transparent", "opaque", "auto"),
    "complexity": word("low", "medium", "high", closed=False),
    "frame_count": integer(1),
    "frame_duration_ms": integer(1),
    "n": integer(1, 10),
    "output_compression": integer(0, 100),
    "output_format": word("png", "webp", "jpeg", "gif", "svg", closed=False),
    "partial_images": integer(0, 3),
    "quality": word("low", "medium", "high", "xhigh", "max", "auto", "standard", "hd", closed=False),
    "response_format": word("url", "b64_json"),
    "safety_identifier": BOOKKEEPING["safety_identifier"],
    "size": text(),
    "stream": boolean,
    "svg": fields(),
    "user": text(),
}
IMAGES: dict[str, Check] = {**PICTURES, "moderation": word("low", "auto"), "style": word("vivid", "natural")}

REFERENCE = either("an object or a string", text=text(), object=fields(None, {"image_url": text(), "file_id": text()}))
EDITS: dict[str, Check] = {
    **PICTURES,
    "image": either("a string, an object or an array", text=text(), object=fields(), list=array(fewest=1, most=16)),
    "images": array(REFERENCE, fewest=1, most=16),
    "input_fidelity": word("high", "low"),
    "markup": REFERENCE,
    "mask": REFERENCE,
    "moderation": word("low", "auto"),
}

VIDEOS: dict[str, Check] = {
    "input_reference": REFERENCE,
    "seconds": word("4", "8", "12", closed=False),
    "size": word("720x1280", "1280x720", "1024x1792", "1792x1024", closed=False),
}


def check_edited_image(body: dict[str, Any]) -> Faults:
    """An edit needs an image."""
    if body.get("image") is None and body.get("images") is None:
        return missing("body.images")
    return ()


def check_image_count(body: dict[str, Any]) -> Faults:
    """One model makes only one image at a time."""
    n, model = body.get("n"), body.get("model")
    if model == "dall-e-3" and type(n) is int and n > 1:
        return [unsupported("n", model, "it makes one image for each request")]
    return ()


def check_dimensions(body: dict[str, Any]) -> Faults:
    """The oldest model has one length of vectors."""
    model = body.get("model")
    if body.get("dimensions") is not None and model == "text-embedding-ada-002":
        return [unsupported("dimensions", model, "only text-embedding-3 and later models take it")]
    return ()


STOPS = ": vLLM then ends the whole run, and no request gets an output"

BOOLEAN_WORDS = frozenset({"0", "1", "f", "false", "n", "no", "off", "on", "t", "true", "y", "yes"})
"""Strings that pydantic reads as booleans, in any case."""


def _is_integer(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        try:
            int(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, (int, float))


def _is_boolean(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return value in (0, 1) if isinstance(value, (int, float)) else isinstance(value, str) and value.lower() in BOOLEAN_WORDS


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _typed(wanted: str, fits: Callable[[Any], bool], **shape: Any) -> Check:  # noqa: ANN401 - a shape
    return described(lambda value, path: () if fits(value) else wrong_kind(path, wanted, value, STOPS), shape)


INTEGER = _typed("an integer", _is_integer, integer=(None, None))
NUMBER = _typed("a number", _is_number, number=(None, None))
BOOLEAN = _typed("a boolean", _is_boolean, boolean=True)
TEXT = _typed("a string", _is(str), text={})
LIST = _typed("an array", _is(list), lists=[items(ANY)])
OBJECT = _typed("an object", _is(dict), object={"others": ANY})
TEXT_OR_LIST = _typed("a string or an array", _is(str, list), text={}, lists=[items(ANY)])
TEXT_OR_OBJECT = _typed("a string or an object", _is(str, dict), text={}, object={"others": ANY})

SHARED: dict[str, Check] = {"encoding_format": TEXT, "truncate_prompt_tokens": INTEGER, "priority": INTEGER}

VLLM_CHAT: dict[str, Check] = {
    **SHARED,
    **dict.fromkeys(
        ("frequency_penalty", "presence_penalty", "temperature", "top_p", "min_p", "repetition_penalty", "length_penalty"), NUMBER
    ),
    **dict.fromkeys(
        ("max_completion_tokens", "max_tokens", "min_tokens", "n", "prompt_logprobs", "seed", "top_k", "top_logprobs"), INTEGER
    ),
    **dict.fromkeys(
        (
            "add_generation_prompt",
            "add_special_tokens",
            "continue_final_message",
            "echo",
            "ignore_eos",
            "include_stop_str_in_output",
            "logprobs",
            "parallel_tool_calls",
            "skip_special_tokens",
            "stream",
            "use_beam_search",
        ),
        BOOLEAN,
    ),
    "chat_template": TEXT,
    "chat_template_kwargs": OBJECT,
    "logit_bias": OBJECT,
    "response_format": OBJECT,
    "stop": TEXT_OR_LIST,
    "stop_token_ids": LIST,
    "stream_options": OBJECT,
    "tool_choice": TEXT_OR_OBJECT,
    "tools": LIST,
    "user": TEXT,
}

VLLM_EMBEDDINGS: dict[str, Check] = {**SHARED, "dimensions": INTEGER, "user": TEXT}


def _is_tokens(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return type(value) is list and all(map(_is_integer, value))


def check_vllm_input(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Take texts to embed, as strings or as tokens; objects are left to vLLM."""
    if type(value) is not list or set(map(type, value)) <= {str} or _is_tokens(value):
        return ()
    fits: Callable[[Any], bool] = _is_integer
    wanted = "a string or an integer"
    if type(value[0]) is list:
        fits, wanted = _is_tokens, "an array of tokens"
    elif type(value[0]) in (str, dict):
        fits, wanted = _is(str, dict), "a string"
    wrong = next(((place, each) for place, each in enumerate(value) if not fits(each)), None)
    return wrong_kind(f"{path}[{wrong[0]}]", wanted, wrong[1], STOPS) if wrong else ()


def check_vllm_messages(messages: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Take messages with any role, and any content that is a string or an array."""
    if type(messages) is not list:
        return wrong_kind(path, "an array", messages, STOPS)
    for place, message in enumerate(messages):
        where = f"{path}[{place}]"
        if type(message) is not dict:
            return wrong_kind(where, "an object", message, STOPS)
        if type(message.get("role")) is not str:
            return wrong_kind(f"{where}.role", "a string", message.get("role"), STOPS)
        content = message.get("content")
        if content is not None and type(content) is not str and type(content) is not list:
            return wrong_kind(f"{where}.content", "a string or an array", content, STOPS)
    return ()


VLLM_TOKENS: Shape = {"integer": (None, None)}
VLLM_LISTS = [items({"text": {}}), items(VLLM_TOKENS, is_one=True), items({"lists": [items(VLLM_TOKENS)]})]
described(check_vllm_input, {"text": {}, "lists": VLLM_LISTS})

VLLM_CONTENT = nullable({"text": {}, "lists": [items(ANY)]})
VLLM_MESSAGE = {"keys": [("role", {"text": {}}, True), ("content", VLLM_CONTENT, False)], "others": ANY}
described(check_vllm_messages, {"lists": [items({"object": VLLM_MESSAGE})]})
