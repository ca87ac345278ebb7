"""The software and hardware a run stands on, and the digest that names it.

Environment variables by allow-list only: those that change results or speed. Slow to import (importlib.metadata) and
to run: for the background.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from modeltrail_schemas.event import Environment
from modeltrail_schemas.records import dumper

from modeltrail.capture.hardware import accelerators, cpu_count, cpu_name, memory_bytes
from modeltrail.redaction import redact_text

VARIABLES = (
    "BLIS_NUM_THREADS",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_DEVICE_ORDER",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "JAX_ENABLE_X64",
    "JAX_PLATFORMS",
    "KMP_AFFINITY",
    "MKL_CBWR",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTORCH_CUDA_ALLOC_CONF",
    "ROCR_VISIBLE_DEVICES",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TOKENIZERS_PARALLELISM",
    "XLA_FLAGS",
)
_IMAGE_VARIABLES = ("MODELTRAIL_CONTAINER_IMAGE", "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")


def capture_environment(environ: Mapping[str, str]) -> tuple[Environment, int]:
    """Return the environment with its digest, and how many values in it were redacted."""
    variables: dict[str, str] = {}
    redactions = 0
    for name in VARIABLES:
        if name in environ:
            variables[name], found = redact_text(environ[name])
            redactions += found
    image, found = redact_text(container_image(environ))
    described = Environment(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        os=_os_name(),
        machine=platform.machine(),
        cpu=cpu_name(),
        cpu_count=cpu_count(),
        memory_bytes=memory_bytes(),
        accelerators=accelerators(),
        container_image=image,
        packages=installed_packages(),
        variables=variables,
    )
    return replace(described, digest=digest_of(described)), redactions + found


def digest_of(environment: Environment) -> str:
    """Return ``sha256:hex`` over the environment as JSON with sorted keys, without the digest itself."""
    plain = dumper(Environment)(replace(environment, digest=""))
    text = json.dumps(plain, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode('ascii')).hexdigest()}"


def installed_packages() -> dict[str, str]:
    """Return normalised name → version of every distribution; of two with one name, the one that is imported."""
    packages: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata
        if "Name" in metadata and "Version" in metadata:
            name = re.sub(r"[-_.]+", "-", metadata["Name"]).lower()
            packages.setdefault(name, metadata["Version"])
    return dict(sorted(packages.items()))


def container_image(environ: Mapping[str, str]) -> str:
    """Return the image this container runs, where anything tells: a variable, Apptainer, or Podman's mark."""
    for name in _IMAGE_VARIABLES:
        if environ.get(name):
            return environ[name]
    try:
        mark = Path("/run/.containerenv").read_text("utf-8", "replace")
    except OSError:
        return ""
    found = re.search(r'^image="(.*)"$', mark, re.MULTILINE)
    return found[1] if found else ""


def _os_name() -> str:
    kernel = f"{platform.system()} {platform.release()}"
    if os.name != "posix" or platform.system() != "Linux":
        return kernel
    try:
        return f"{platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')}, {kernel}"
    except OSError:
        return kernel
