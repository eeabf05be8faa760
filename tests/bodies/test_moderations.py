"""The body of /v1/moderations."""

import pytest

from batchfiles.bodies.answer import Answer
from batchfiles.bodies.other import read_moderation


def result(flagged=False, kinds=("text",), **scores):
    """A result in which every category above one half is true."""
    return {
        "flagged": flagged,
        "categories": {name: score > 0.5 for name, score in scores.items()},
        "category_scores": scores,
        "category_applied_input_types": {name: list(kinds) for name in scores},
    }


def moderation(*results, **more):
    """A body with these results."""
    return {"id": "modr-1", "model": "omni-moderation-latest", "results": list(results)} | more


def test_one_flagged_text():
    """The names keep their `/` and `-`; the flagged ones are sorted, the scores are unchanged."""
    body = moderation(result(flagged=True, **{"violence": 0.9, "self-harm/intent": 0.6, "hate": 0.1}))

    assert read_moderation(body) == Answer(
        model="omni-moderation-latest",
        flagged=True,
        flagged_categories=["self-harm/intent", "violence"],
        category_scores=[("violence", 0.9), ("self-harm/intent", 0.6), ("hate", 0.1)],
        response_id="modr-1",
        fully_mapped=True,
    )


def test_one_text_that_is_not_flagged():
    """An empty list of categories is an answer too."""
    answer = read_moderation(moderation(result(hate=0.1)))

    assert (answer.flagged, answer.flagged_categories, answer.fully_mapped) == (False, [], True)


def test_several_results_are_taken_together_and_keep_the_body():
    """Flagged if any is, each category's highest score."""
    answer = read_moderation(moderation(result(hate=0.1, violence=0.2), result(flagged=True, hate=0.7), result(hate=0.3)))

    assert (answer.flagged, answer.flagged_categories) == (True, ["hate"])
    assert answer.category_scores == [("hate", 0.7), ("violence", 0.2)]
    assert not answer.fully_mapped


def test_no_results():
    """No warning, and the body is kept."""
    answer = read_moderation(moderation())

    assert (answer.flagged, answer.flagged_categories, answer.category_scores, answer.fully_mapped) == (None, None, None, False)


def test_an_image_keeps_the_body():
    """Which of the inputs a score is about has no column."""
    assert not read_moderation(moderation(result(hate=0.1, kinds=("text", "image")))).fully_mapped


def test_a_category_may_be_null():
    """`illicit` is, with the older models."""
    body = moderation(result(hate=0.1))
    body["results"][0]["categories"]["illicit"] = None

    assert read_moderation(body).flagged_categories == []
    assert read_moderation(body).fully_mapped


def test_mistral_has_no_flag_but_tokens():
    """Whether it is flagged is not ours to decide."""
    body = moderation(result(hate=0.9), usage={"prompt_tokens": 7, "total_tokens": 7})
    del body["results"][0]["flagged"]
    answer = read_moderation(body)

    assert (answer.flagged, answer.flagged_categories, answer.input_tokens, answer.fully_mapped) == (None, ["hate"], 7, True)


def test_whole_numbers_are_scores():
    """A score of 0 is often written without a point."""
    assert read_moderation(moderation(result(hate=0, violence=1))).category_scores == [("hate", 0.0), ("violence", 1.0)]


def test_an_error_in_the_body_is_a_failure():
    """As everywhere."""
    answer = read_moderation(moderation(result(hate=0.1), error={"message": "no"}))

    assert (answer.outcome, answer.fully_mapped) == ("failed", False)


@pytest.mark.parametrize(
    "results",
    [
        [result(flagged="yes")],
        [result() | {"categories": {"hate": 1}}],
        [result() | {"categories": ["hate"]}],
        [result() | {"category_scores": {"hate": True}}],
        [result() | {"category_scores": {"hate": 2**53 + 1}}],
        [result() | {"category_applied_input_types": 1}],
        ["flagged"],
        "flagged",
    ],
)
def test_a_value_that_does_not_fit_is_null_counted_and_kept(results):
    """A bool is not a score, and a 1 is not a bool."""
    answer = read_moderation(moderation(results=results))

    assert (answer.conversion_errors, answer.fully_mapped) == (1, False)
