"""The main job, end to end, in about a minute: train real models, then ask where they came from.

Everything it writes is in ``build/demo`` (or the folder given), made anew each time. MODELTRAIL_LOG and
MODELTRAIL_DATABASE take the same program to Kafka and PostgreSQL; it makes the topic there if it is missing, and runs
a projector beside others.
"""

import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "build" / "demo").absolute()
MODELTRAIL = [sys.executable, "-m", "modeltrail.command"]
WIDTH = 80
PROJECTED_WITHIN_S = 120


def main() -> None:
    """Tell the story."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "data").mkdir(parents=True)
    os.environ["MODELTRAIL_HOME"] = str(FOLDER / ".modeltrail")
    with projector_beside_kafka():
        train_models()
        ask_about_them()
        retract_a_dataset()
        prove_the_record()
        replay_it()
    say(f"All of this is in {os.path.relpath(FOLDER)}: look around with the commands above and", indent=False)
    print(f"  export MODELTRAIL_HOME={os.path.relpath(FOLDER / '.modeltrail')}")


@contextmanager
def projector_beside_kafka() -> Iterator[None]:
    """Make the topic and run a projector, where the log is Kafka; a local log needs neither."""
    if not os.environ.get("MODELTRAIL_LOG", "").startswith("kafka://"):
        yield
        return
    subprocess.run([*MODELTRAIL, "topic", "create", "--if-missing"], check=True)
    projector = subprocess.Popen([*MODELTRAIL, "serve", "--role", "projector"], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        projector.terminate()
        projector.wait()


def wait_for_projector() -> None:
    """Return when the read model has all that is in the log; at once where that is a local file."""
    deadline_s = time.monotonic() + PROJECTED_WITHIN_S
    while time.monotonic() < deadline_s:
        done = subprocess.run([*MODELTRAIL, "status", "--json"], capture_output=True, text=True, check=False)
        status = json.loads(done.stdout or "{}")
        log, model = status.get("log"), status.get("read_model")
        if isinstance(log, dict) and isinstance(model, dict) and log["end"] == model["position"]:
            return
        time.sleep(0.5)
    sys.exit("the projector did not get to the end of the log: modeltrail status tells where it stands")


def train_models() -> None:
    """Run the pipeline of tumours.py: load, clean twice, train five times, evaluate, declare."""
    import modeltrail
    import tumours

    logging.getLogger("modeltrail").setLevel(logging.ERROR)  # the demo tells what goes wrong itself
    data = FOLDER / "data"
    title("A team trains models")
    say("Raw data is loaded and cleaned twice, strictly and less so: two versions of one dataset.")
    raw = tumours.load_raw(data)
    strict = tumours.clean(data, raw, version="v1", outliers_beyond=4)
    loose = tumours.clean(data, raw, version="v2", outliers_beyond=8)
    say("Four models are trained. One run forgets to say which version of the data it read.")
    tumours.train(data, strict, data_version="v1", model_version="1.0", kind="logistic", max_iter=5000)
    tumours.train(data, strict, data_version="v1", model_version="1.1", kind="forest", n_estimators=60)
    tumours.train(data, loose, data_version="v2", model_version="1.2", kind="forest", n_estimators=120)
    tumours.train(data, loose, data_version=None, model_version="1.3", kind="boosting", n_estimators=40)
    say("One run fails: scikit-learn refuses a negative number of trees.")
    try:
        tumours.train(data, loose, data_version="v2", model_version="1.4", kind="forest", n_estimators=-1)
    except ValueError as error:
        print(textwrap.fill(f"{type(error).__name__}: {error}", WIDTH, initial_indent="  ", subsequent_indent="  "))
    say("Version 1.2 is evaluated, approved, and goes into production.")
    tumours.evaluate(data, model_version="1.2")
    modeltrail.register_model_version("clinic/tumours@1.2", by="ana", why="best on the test set")
    modeltrail.approve_model_version("clinic/tumours@1.2", by="ben", why="clinical review 2026-11")
    modeltrail.alias_model_version("clinic/tumours@1.2", "production", by="ana")
    modeltrail.deploy_model_version("clinic/tumours@1.2", target="ward-3", by="ana")
    modeltrail.describe("model:clinic/tumours", "Tells malignant from benign tumours.", owners=["ana"])
    if not modeltrail.flush(30_000):
        sys.exit("the log does not answer: what was recorded waits in the spool (modeltrail doctor tells more)")
    wait_for_projector()


def ask_about_them() -> None:
    """Show what months later somebody wants to know."""
    title("Months later, somebody asks")
    say("Which versions are there, and what changed from one to the next?")
    run("history", "clinic/tumours")
    say("What made the version in production? One answer has data, code, parameters, metrics, environment.")
    run("show", "clinic/tumours@production")
    say("What does it stand on?")
    run("lineage", "clinic/tumours@production", "--up")
    say("How does it differ from the version before?")
    run("compare", "clinic/tumours@1.1", "clinic/tumours@1.2")
    say("Could we make 1.3 again? No: a link is missing, and this is the line that would have recorded it.")
    run("check", "clinic/tumours@1.3", expected_code=1)


def retract_a_dataset() -> None:
    """Take a dataset version back and see what stands on it."""
    title("A dataset turns out to be bad")
    say("The strict cleaning threw out the hardest cases. Its data is retracted, with a reason.")
    run("dataset", "retract", "clinic/cleaned@v1", "--why", "drops the hardest cases", "--by", "cem")
    wait_for_projector()
    say("What stands on it?")
    run("lineage", "dataset:clinic/cleaned@v1", "--down")


def prove_the_record() -> None:
    """Audit the log; flip one byte; audit again."""
    title("Can you prove that nobody changed the record?")
    say("The auditor appends every record to a Merkle tree and signs its head.")
    run("audit", "init")
    run("audit", "follow", "--once")
    run("audit", "verify")
    audit = FOLDER / ".modeltrail" / "audit"
    victim = max((path for path in audit.glob("*/segments/**/*") if path.is_file()), key=os.path.getsize)
    say(f"Somebody flips one byte of {victim.relative_to(audit)}:")
    whole = victim.read_bytes()
    middle = len(whole) // 2
    victim.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    run("audit", "verify", expected_code=1)
    say("The byte is put back, and all is well again.")
    victim.write_bytes(whole)
    run("audit", "verify")


def replay_it() -> None:
    """Build the same state from the audit log alone, in a fresh database."""
    title("Everything is a function of the log")
    say("From the audit log alone, into an empty database:")
    run("replay", "--from", f"audit:{FOLDER / '.modeltrail' / 'audit'}", "--into", f"sqlite:///{FOLDER / 'fresh.db'}")
    say("The state that served the answers above has the same digest:")
    run("digest")


def run(*arguments: str, expected_code: int = 0) -> None:
    """Show a command and what it prints; a surprising exit code ends the demo."""
    shown = shlex.join(arguments).replace(f"{FOLDER}/", "")
    print(f"\n  $ modeltrail {shown}", flush=True)
    done = subprocess.run(
        [*MODELTRAIL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(textwrap.indent(done.stdout.replace(f"{FOLDER}/", ""), "  ").rstrip(), flush=True)
    if done.returncode != expected_code:
        sys.exit(f"the demo expected exit code {expected_code} and got {done.returncode}")


def title(text: str) -> None:
    """Print the title of a chapter."""
    print(f"\n\n{text}\n{'─' * len(text)}", flush=True)


def say(text: str, *, indent: bool = True) -> None:
    """Print a line of explanation."""
    print(
        "\n" + textwrap.fill(text, WIDTH, initial_indent="» " if indent else "", subsequent_indent="  "), flush=True
    )


if __name__ == "__main__":
    main()
