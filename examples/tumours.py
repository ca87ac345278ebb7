"""A small real project: models that tell malignant from benign tumours, on the data set that scikit-learn ships.

Nothing here knows that it is watched by a demo. The calls to modeltrail are all that a training job needs. Run by
itself it trains one version.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import modeltrail
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split

SEED = 5
MODELS: dict[str, type[ClassifierMixin]] = {
    "logistic": LogisticRegression,
    "forest": RandomForestClassifier,
    "boosting": GradientBoostingClassifier,
}


def load_raw(folder: Path) -> Path:
    """Write the raw data as the clinic delivered it, and record where it came from."""
    path = folder / "raw.csv"
    with modeltrail.start_run(job="clinic/load") as run:
        load_breast_cancer(as_frame=True).frame.to_csv(path, index=False)
        run.log_dataset("clinic/raw", path=path, version="2026-10")
    return path


def clean(folder: Path, raw: Path, *, version: str, outliers_beyond: float) -> Path:
    """Drop rows with outliers (beyond so many standard deviations); keep a fifth aside as the test set."""
    path, test_path = folder / f"cleaned-{version}.csv", folder / "test.csv"
    with modeltrail.start_run(job="clinic/clean") as run:
        run.use_dataset("clinic/raw", path=raw, version="2026-10")
        run.log_params({"outliers_beyond": outliers_beyond, "seed": SEED})
        rows = pd.read_csv(raw)
        train, test = train_test_split(rows, test_size=0.2, random_state=SEED, stratify=rows["target"])
        distance = ((train - train.mean()) / train.std()).abs().max(axis=1)
        train[distance <= outliers_beyond].to_csv(path, index=False)
        test.to_csv(test_path, index=False)
        run.log_dataset("clinic/cleaned", path=path, version=version)
        run.log_dataset("clinic/test", path=test_path, version="2026-10")
    return path


def train(
    folder: Path, data: Path, *, data_version: str | None, model_version: str, kind: str, **parameters: object
) -> None:
    """Train one model version. Without ``data_version`` the run forgets to say which data it read."""
    with modeltrail.start_run(job="clinic/train") as run:
        if data_version:
            run.use_dataset("clinic/cleaned", path=data, version=data_version, role="train")
        else:
            run.use_dataset("clinic/cleaned", role="train")
        test = run.use_dataset("clinic/test", path=folder / "test.csv", version="2026-10", role="test")
        run.log_params({"model": kind, **parameters})
        modeltrail.log_seed("random_state", SEED)
        rows, held_out = pd.read_csv(data), pd.read_csv(folder / "test.csv")
        model = MODELS[kind](random_state=SEED, **parameters)
        model.fit(rows.drop(columns="target"), rows["target"])
        features, truth = held_out.drop(columns="target"), held_out["target"]
        scores = {
            "accuracy": accuracy_score(truth, model.predict(features)),
            "auc": roc_auc_score(truth, model.predict_proba(features)[:, 1]),
        }
        run.log_metrics(scores, dataset=test)
        path = folder / f"tumours-{model_version}.joblib"
        joblib.dump(model, path)
        run.log_model("clinic/tumours", path=path, version=model_version, framework="scikit-learn")


def evaluate(folder: Path, *, model_version: str) -> None:
    """Measure a model version again, with the file that was kept."""
    with modeltrail.start_run(job="clinic/evaluate") as run:
        run.use_model(f"clinic/tumours@{model_version}", path=folder / f"tumours-{model_version}.joblib")
        test = run.use_dataset("clinic/test", path=folder / "test.csv", version="2026-10", role="test")
        held_out = pd.read_csv(folder / "test.csv")
        model = joblib.load(folder / f"tumours-{model_version}.joblib")
        malignant = held_out["target"] == 0
        found = model.predict(held_out.drop(columns="target"))[malignant] == 0
        run.log_metric("recall_malignant", float(found.mean()), dataset=test)


def main() -> None:
    """Train one version in a folder of its own, recorded where MODELTRAIL_LOG says."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        data = clean(folder, load_raw(folder), version="v1", outliers_beyond=4)
        train(folder, data, data_version="v1", model_version="1.0", kind="logistic", max_iter=5000)
        if not modeltrail.flush(60_000):
            sys.exit("the log does not answer: what was recorded waits in the spool (modeltrail doctor tells more)")


if __name__ == "__main__":
    main()
