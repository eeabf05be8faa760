"""The body of the legacy /v1/completions."""

from batchfiles.bodies.answer import Answer
from batchfiles.bodies.other import read_completion


def completion(*texts, finish_reason="stop", **more):
    """A body with one choice per text."""
    choices = [
        {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason} for index, text in enumerate(texts)
    ]
    return {"id": "cmpl-1", "object": "text_completion", "created": 1589478378, "model": "m", "choices": choices} | more


def test_an_ordinary_completion():
    """The example of OpenAI's specification: cut, therefore incomplete."""
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}

    assert read_completion(completion("\n\nThis is", finish_reason="length", usage=usage)) == Answer(
        outcome="incomplete",
        model="m",
        finish_reason="length",
        text="\n\nThis is",
        input_tokens=5,
        output_tokens=7,
        total_tokens=12,
        created_at=1589478378_000000,
        response_id="cmpl-1",
        fully_mapped=True,
    )


def test_several_prompts_give_several_choices():
    """All texts are kept, and so is the body."""
    answer = read_completion(completion(" red", " blue"))

    assert (answer.outcome, answer.text, answer.texts, answer.fully_mapped) == ("succeeded", " red", [" red", " blue"], False)


def test_logprobs_keep_the_body():
    """They have no column."""
    body = completion("hi")
    body["choices"][0]["logprobs"] = {"tokens": ["hi"]}

    assert not read_completion(body).fully_mapped


def test_no_choices():
    """The answer is missing, and the body is kept."""
    answer = read_completion(completion())

    assert (answer.outcome, answer.fault.code, answer.model, answer.fully_mapped) == ("no_response", "empty_answer", "m", False)


def test_the_worst_choice_decides():
    """A failed choice makes a failure, with any other choices; one without a text counts only alone."""
    body = completion("one", "two")
    body["choices"][1] |= {"finish_reason": "error", "error": {"code": 503, "message": "gone"}}
    answer = read_completion(body)

    assert (answer.outcome, answer.text, answer.fault.code, answer.fault.message) == ("failed", "one", "503", "gone")
    del body["choices"][1]["error"], body["choices"][1]["text"]
    body["choices"][1]["finish_reason"] = None
    assert read_completion(body).outcome == "succeeded"
    assert read_completion(body | {"choices": body["choices"][1:]}).outcome == "no_response"


def test_an_empty_text_is_counted():
    """It is a success anyway."""
    assert (read_completion(completion("")).outcome, read_completion(completion("")).noted) == ("succeeded", ("empty_text",))


def test_an_error_in_the_body_is_a_failure():
    """With any other content."""
    assert read_completion(completion("hi", error={"message": "no"}))[:4] == ("failed", "m", "stop", "hi")


def test_a_text_that_is_none_does_not_fit():
    """It is null and counted."""
    answer = read_completion(completion(7))

    assert (answer.text, answer.conversion_errors, answer.fully_mapped) == (None, 1, False)
