"""The environment is told by an allow-list, and named by its content."""

import platform
from dataclasses import replace
from pathlib import Path

from modeltrail.capture.command import MAX_ARGUMENT_CHARACTERS, capture_command
from modeltrail.capture.environment import capture_environment, digest_of
from modeltrail.capture.markers import EnvironmentMarkers
from modeltrail.capture.seeds import capture_seeds


def test_packages_hardware_and_python_are_told() -> None:
    environment, _ = capture_environment({})
    assert environment.python == platform.python_version()
    assert environment.packages["kafka-python"]
    assert environment.cpu_count >= 1
    assert environment.memory_bytes > 0
    assert environment.digest == digest_of(environment)


def test_only_variables_on_the_list_are_told() -> None:
    environment, _ = capture_environment(
        {"OMP_NUM_THREADS": "4", "HOME": "/home/ana", "MY_TOKEN": "x", "USER": "ana"}
    )
    assert environment.variables == {"OMP_NUM_THREADS": "4"}


def test_the_image_is_what_the_variable_says() -> None:
    environment, _ = capture_environment({"MODELTRAIL_CONTAINER_IMAGE": "registry.example/train@sha256:abc"})
    assert environment.container_image == "registry.example/train@sha256:abc"


def test_the_digest_is_a_function_of_the_content_alone() -> None:
    environment, _ = capture_environment({})
    again = replace(environment, digest="", packages=dict(reversed(environment.packages.items())))
    assert digest_of(again) == environment.digest
    assert digest_of(replace(environment, packages={**environment.packages, "new": "1"})) != environment.digest


def test_a_described_environment_is_remembered_per_log(tmp_path: Path) -> None:
    markers = EnvironmentMarkers(tmp_path / "environments", "log-a")
    assert not markers.is_described("sha256:ab")
    markers.mark_described("sha256:ab")
    assert markers.is_described("sha256:ab")
    assert not EnvironmentMarkers(tmp_path / "environments", "log-b").is_described("sha256:ab")
    (tmp_path / "file").write_text("")
    EnvironmentMarkers(tmp_path / "file" / "x", "log-a").mark_described("sha256:ab")


def test_seeds_of_the_environment_are_those_that_are_set() -> None:
    assert capture_seeds({"PYTHONHASHSEED": "0"}) == {"PYTHONHASHSEED": "0"}
    assert capture_seeds({"PYTHONHASHSEED": "random"}) == {}


def test_a_command_line_is_bounded_and_can_be_written_as_utf_8() -> None:
    kept, _ = capture_command(["python", "x" * 100_000, "\udcff"])
    assert len(kept[1]) == MAX_ARGUMENT_CHARACTERS
    "".join(kept).encode("utf-8")
