"""Record what made a model: data, code, hyperparameters, metrics and environment, as events in a log.

Importing this module loads nothing else: each public name loads its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modeltrail.active import (
        active_run,
        attach_run,
        end_run,
        flush,
        log_dataset,
        log_metric,
        log_metrics,
        log_model,
        log_param,
        log_params,
        log_seed,
        set_tags,
        start_run,
        tracked,
        use_dataset,
        use_model,
    )
    from modeltrail.declaring import (
        alias_model_version,
        annotate_run,
        approve_model_version,
        correct_run,
        deploy_model_version,
        describe,
        register_model_version,
        retire_model_version,
        retract_dataset,
        stage_model_version,
    )
    from modeltrail.handles import DatasetHandle, ModelHandle
    from modeltrail.run import Run
    from modeltrail.subscription import Subscription, subscribe

__all__ = [
    "DatasetHandle",
    "ModelHandle",
    "Run",
    "Subscription",
    "active_run",
    "alias_model_version",
    "annotate_run",
    "approve_model_version",
    "attach_run",
    "correct_run",
    "deploy_model_version",
    "describe",
    "end_run",
    "flush",
    "log_dataset",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_params",
    "log_seed",
    "register_model_version",
    "retire_model_version",
    "retract_dataset",
    "set_tags",
    "stage_model_version",
    "start_run",
    "subscribe",
    "tracked",
    "use_dataset",
    "use_model",
]

_ROOMS = {
    "DatasetHandle": "handles",
    "ModelHandle": "handles",
    "Run": "run",
    "Subscription": "subscription",
    "subscribe": "subscription",
} | dict.fromkeys(
    (
        "alias_model_version",
        "annotate_run",
        "approve_model_version",
        "correct_run",
        "deploy_model_version",
        "describe",
        "register_model_version",
        "retire_model_version",
        "retract_dataset",
        "stage_model_version",
    ),
    "declaring",
)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS.get(name, 'active')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
