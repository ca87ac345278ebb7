"""The machine: processor, memory, accelerators. What cannot be learnt is empty; CUDA is never initialised."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

NVIDIA_SMI_TIMEOUT_S = 5.0


def cpu_name() -> str:
    """Return the processor's model name, else the architecture."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def cpu_count() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 0


def memory_bytes() -> int:
    """Return the machine's memory, 0 when unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def accelerators() -> tuple[str, ...]:
    """Return one line for each NVIDIA device: name, memory, driver. Asked of nvidia-smi, where there is one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command line
            query, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT_S, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()
    return tuple(line.strip() for line in answer.stdout.splitlines() if line.strip())
