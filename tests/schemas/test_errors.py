"""An error that nobody caught says what to do, too."""

import traceback

from modeltrail_schemas.errors import ModeltrailError


def test_a_traceback_ends_with_the_remedy() -> None:
    told = traceback.format_exception(ModeltrailError("the topic is not there", remedy="make it"))
    assert "".join(told).endswith("the topic is not there\n→ make it\n")
    assert str(ModeltrailError("what", remedy="do")) == "what"


def test_an_error_without_a_remedy_ends_with_what_happened() -> None:
    assert "".join(traceback.format_exception(ModeltrailError("what"))).endswith("ModeltrailError: what\n")
