"""The results of Azure's content filter."""

import pytest

from batchfiles.bodies.fields import all_safe

SAFE = {
    "hate": {"filtered": False, "severity": "safe"},
    "jailbreak": {"filtered": False, "detected": False},
    "custom_blocklists": {"filtered": False, "details": []},
}


@pytest.mark.parametrize(
    "found",
    [
        SAFE,
        {},
        [],
        [{"prompt_index": 0, "content_filter_results": SAFE}],
        [
            {
                "blocked": False,
                "source_type": "completion",
                "content_filter_raw": [],
                "content_filter_results": SAFE,
                "content_filter_offsets": {"start_offset": 0, "end_offset": 9, "check_offset": 0},
            }
        ],
    ],
)
def test_nothing_was_found(found):
    """The filter results of one answer, of the prompts, of a response."""
    assert all_safe(found)


@pytest.mark.parametrize(
    "found",
    [
        {"hate": {"filtered": True, "severity": "high"}},
        {"hate": {"filtered": False, "severity": "low"}},
        {"jailbreak": {"filtered": False, "detected": True}},
        {"custom_blocklists": {"filtered": False, "details": [{"id": "words"}]}},
        {"protected_material_code": {"filtered": False, "detected": False, "citation": {"URL": "https://example.org"}}},
        {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}},
        {"hate": "safe"},
        [{"blocked": True, "content_filter_results": SAFE}],
        [{"content_filter_results": {"hate": {"filtered": True}}}],
        [{"content_filter_results": SAFE, "content_filter_raw": [1]}],
        ["safe"],
        "safe",
        None,
    ],
)
def test_something_was_found(found):
    """Or the value has an unknown shape."""
    assert not all_safe(found)
