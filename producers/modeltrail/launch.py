"""How this process was launched: its rank, and the id that all processes of one launch share. Pure.

Sources: torchrun (RANK, WORLD_SIZE, TORCHELASTIC_RUN_ID, TORCHELASTIC_RESTART_COUNT), Slurm (srun:
 SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_JOB_ID, SLURM_STEP_ID), Open MPI and PMIx.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from modeltrail_schemas.identity import hashed_id

RUN_ID_VARIABLE = "MODELTRAIL_RUN_ID"
_LAUNCHERS = (
    ("torchrun", "RANK", "WORLD_SIZE", ("TORCHELASTIC_RUN_ID",), ("TORCHELASTIC_RESTART_COUNT",)),
    (
        "slurm",
        "SLURM_PROCID",
        "SLURM_STEP_NUM_TASKS",
        ("SLURM_JOB_ID", "SLURM_STEP_ID"),
        ("SLURM_CLUSTER_NAME", "SLURM_RESTART_COUNT"),
    ),
    ("mpi", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", ("PMIX_NAMESPACE",), ()),
    ("mpi", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", ("OMPI_MCA_ess_base_jobid",), ()),
    ("mpi", "PMI_RANK", "PMI_SIZE", ("PMI_JOBID",), ()),
)


@dataclass(frozen=True, slots=True)
class Launch:
    """``run_id``: given outright (MODELTRAIL_RUN_ID). ``shared``: names the launch; empty when nothing does."""

    rank: int = 0
    world_size: int = 1
    run_id: str = ""
    shared: str = ""

    @property
    def is_joined(self) -> bool:
        """Return whether several processes agree on the ids of their runs."""
        return bool(self.run_id or (self.shared and self.world_size > 1))


def read_launch(environ: Mapping[str, str], parent: str = "") -> Launch:
    """Return how this process was launched; the first launcher that gives a rank and an id counts.

    ``none`` is torchrun's word for "no rendezvous id was given": it would join strangers, so it names nothing. Then
    ``parent``, which names the parent process once and for all, joins the ranks if all of them are on one machine.
    """
    run_id = environ.get(RUN_ID_VARIABLE, "")
    best = Launch(run_id=run_id)
    for launcher, rank, size, ids, more in _LAUNCHERS:
        if not environ.get(rank, "").isdigit():
            continue
        world_size = int(environ[size]) if environ.get(size, "").isdigit() else 1
        values = [environ.get(name, "") for name in ids]
        shared = ""
        if all(value and value != "none" for value in values):
            shared = ":".join([launcher, *values, *(environ.get(name, "") for name in more)])
        elif parent and launcher == "torchrun" and environ.get("LOCAL_WORLD_SIZE") == str(world_size):
            shared = f"parent:{parent}:{environ.get('TORCHELASTIC_RESTART_COUNT', '')}"
        if shared:
            return Launch(int(environ[rank]), world_size, run_id, shared)
        if best.world_size == 1:
            best = Launch(int(environ[rank]), world_size, run_id)
    return best


def derive_run_id(base: str, job: str, ordinal: int) -> str:
    """Return the id (UUIDv8) of the ``ordinal``-th run of ``job`` under ``base``, the same in every process."""
    return str(
        uuid.UUID(bytes=hashed_id(f"modeltrail-run\0{base}\0{job}\0{ordinal}".encode("utf-8", "surrogatepass")))
    )
