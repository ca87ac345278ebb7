"""Ranks and shared ids, as launchers set them."""

import pytest
from modeltrail.launch import Launch, derive_run_id, read_launch


@pytest.mark.parametrize(
    ("environ", "rank", "size", "is_joined"),
    [
        ({}, 0, 1, False),
        ({"RANK": "3", "WORLD_SIZE": "8", "TORCHELASTIC_RUN_ID": "a"}, 3, 8, True),
        ({"RANK": "3", "WORLD_SIZE": "8", "TORCHELASTIC_RUN_ID": "none"}, 3, 8, False),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_JOB_ID": "9", "SLURM_STEP_ID": "0"}, 1, 4, True),
        ({"SLURM_PROCID": "0", "SLURM_JOB_ID": "9"}, 0, 1, False),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_NAMESPACE": "p"}, 1, 2, True),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_MCA_ess_base_jobid": "7"}, 1, 2, True),
        ({"RANK": "high"}, 0, 1, False),
        ({"MODELTRAIL_RUN_ID": "x"}, 0, 1, True),
    ],
)
def test_a_launch_is_read_from_what_its_launcher_sets(environ, rank: int, size: int, is_joined: bool) -> None:
    launch = read_launch(environ)
    assert (launch.rank, launch.world_size, launch.is_joined) == (rank, size, is_joined)


def test_one_process_of_a_job_array_of_one_is_not_joined_to_the_next_program_of_its_job() -> None:
    environ = {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_JOB_ID": "9", "SLURM_STEP_ID": "0"}
    assert not read_launch(environ).is_joined


def test_a_parent_joins_ranks_on_one_machine_only() -> None:
    environ = {"RANK": "1", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none"}
    assert read_launch({**environ, "LOCAL_WORLD_SIZE": "2"}, parent="host:1:2").shared == "parent:host:1:2:"
    assert read_launch({**environ, "LOCAL_WORLD_SIZE": "1"}, parent="host:1:2") == Launch(1, 2)


def test_derived_ids_are_uuids_that_differ_by_each_part() -> None:
    ids = {derive_run_id(base, job, ordinal) for base in "ab" for job in "cd" for ordinal in (0, 1)}
    assert len(ids) == 8
    assert all(len(run_id) == 36 and run_id[14] == "8" for run_id in ids)
