"""A file of settings that cannot be used is named, with what is wrong with it."""

from pathlib import Path

import pytest
from modeltrail.config import load
from modeltrail.errors import ConfigurationError


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"log = [", "config.toml is not TOML"),
        (b"\xff\xfe", "config.toml is not UTF-8"),
        (b'lgo = "x"', "config.toml has a setting nobody knows: lgo"),
        (b'log_options = "x"', "config.toml: log_options is no table"),
        (b'sender_stay_s = "soon"', "sender_stay_s is no number of seconds: 'soon'"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_by_name_and_fault(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=says) as error:
        load({"MODELTRAIL_HOME": str(tmp_path)}, tmp_path)
    assert error.value.remedy
