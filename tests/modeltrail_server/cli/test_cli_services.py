"""The whole way on a real Kafka and a real PostgreSQL: recorded, served, audited, answered, replayed, verified."""

import json
import signal
import subprocess
import sys
import time

import pytest
from kafka import KafkaAdminClient
from modeltrail.errors import LogNotFoundError, LogUnavailableError
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Outgoing
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.identity import new_event_id
from modeltrail_schemas.names import JobName
from ol_documents import line
from services.fixtures import make_topic

pytestmark = pytest.mark.service
PATIENCE_S = 120
TRAINING = """
import modeltrail
with modeltrail.start_run(job="risk/fraud-train") as run:
    run.use_dataset("risk/tx", uri="s3://lake/tx", version="v3", role="train")
    run.log_params({"lr": 0.1, "depth": 6})
    run.log_metric("accuracy", 0.95, step=1)
    run.log_model("risk/fraud", data=b"weights", version="1.2")
"""


@pytest.fixture
def services(home, kafka_bootstrap, new_topic, new_database, monkeypatch):
    """A topic and a database of this test's own, as a user configures them."""
    monkeypatch.setenv(
        "MODELTRAIL_LOG", f"kafka://{kafka_bootstrap}/{new_topic(message_timestamp_type='LogAppendTime')}"
    )
    monkeypatch.setenv("MODELTRAIL_DATABASE", new_database())
    return home


def wait_until(true, process):
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def is_served(modeltrail, records):
    """Return whether ``records`` records are projected and audited."""
    status = json.loads(modeltrail("status", "--json")[1])
    audited = (status["audit"] or {}).get("partitions", [])
    projected = status["read_model"].get("position", {"offsets": []})["offsets"]
    return sum(projected) == records and sum(one["next_offset"] for one in audited) == records


def test_what_a_training_script_records_is_projected_audited_and_answered(services, start, modeltrail):
    server = start("serve", "--port", 0)
    subprocess.run([sys.executable, "-c", TRAINING], check=True, timeout=PATIENCE_S, cwd=services)
    wait_until(lambda: "accuracy 0.95" in modeltrail("show", "fraud")[1], server)

    out = modeltrail("show", "fraud@1.2")[1]
    for words in ("risk/fraud@1.2", "risk/tx@v3", "depth 6", "lr 0.1"):
        assert words in out
    assert modeltrail("model", "approve", "fraud@1.2", "--by", "ana")[0] == 0
    wait_until(lambda: "approved" in modeltrail("show", "fraud")[1], server)
    code, out, _ = modeltrail("status")
    assert code == 0
    server.terminate()
    assert server.wait(PATIENCE_S) == 0
    assert modeltrail("audit", "verify")[0] == 0


def test_servers_killed_and_started_again_lose_nothing_and_count_nothing_twice(
    services, start, modeltrail, tmp_path, new_database
):
    (tmp_path / "first.jsonl").write_text("".join(line(number) + "\n" for number in range(3_000)))
    (tmp_path / "second.jsonl").write_text("".join(line(number) + "\n" for number in range(2_000, 6_000)))
    server = start("serve", "--port", 0)
    assert modeltrail("events", "import", tmp_path / "first.jsonl")[0] == 0
    wait_until(lambda: "runs" in modeltrail("status")[1], server)
    server.kill()
    server.wait(PATIENCE_S)
    assert modeltrail("events", "import", tmp_path / "second.jsonl")[0] == 0
    server = start("serve", "--port", 0)
    wait_until(lambda: is_served(modeltrail, 7_000), server)
    server.send_signal(signal.SIGINT)
    assert server.wait(PATIENCE_S) == 0

    digest = json.loads(modeltrail("digest", "--json")[1])
    assert digest["counts"]["event"] == digest["counts"]["run"] == 6_000
    for source in ("log", "audit"):
        code, out, _ = modeltrail("replay", "--from", source, "--into", new_database(), "--json")
        assert code == 0
        assert json.loads(out)["digest"]["hex"] == digest["hex"]
    assert json.loads(modeltrail("rebuild", "--json")[1])["hex"] == digest["hex"]
    assert modeltrail("audit", "verify")[0] == 0


@pytest.mark.fault
def test_a_broker_that_goes_and_comes_back_is_waited_for(
    home, start, modeltrail, breakable_kafka, new_database, monkeypatch
):

    topic = make_topic(breakable_kafka.bootstrap, message_timestamp_type="LogAppendTime")
    monkeypatch.setenv("MODELTRAIL_LOG", f"kafka://{breakable_kafka.bootstrap}/{topic}")
    monkeypatch.setenv("MODELTRAIL_DATABASE", new_database())
    server = start("serve", "--port", 0)
    path = home / "events.jsonl"
    path.write_text(line(1))
    assert modeltrail("events", "import", path)[0] == 0
    wait_until(lambda: is_served(modeltrail, 1), server)
    breakable_kafka.kill()
    assert modeltrail("status")[0] == 3
    breakable_kafka.start()
    path.write_text(line(2))
    assert modeltrail("events", "import", path)[0] == 0
    wait_until(lambda: is_served(modeltrail, 2), server)
    server.terminate()
    _, err = server.communicate(timeout=PATIENCE_S)

    assert server.returncode == 0
    assert "Traceback" not in err


def append(address, number, partition=0):
    """Append an event of a run of its own to a partition of a topic."""
    event_id = new_event_id(10**18, number.to_bytes(8))
    event = LineageEvent(event_id, "run", "START", 10**18, run_id=f"run-{number}", job=JobName("team", "train"))
    with open_log(address) as log:
        log.append([Outgoing(encode(event), partition=partition)], timeout_ms=PATIENCE_S * 1_000)


def test_a_topic_to_replay_to_that_is_not_there_is_the_one_to_be_made(services, modeltrail, kafka_bootstrap):
    (services / "one.jsonl").write_text(line(1))
    assert modeltrail("events", "import", services / "one.jsonl")[0] == 0
    other = f"kafka://{kafka_bootstrap}/nobody-made-this"
    code, _, err = modeltrail("replay", "--to-topic", other)

    assert code == 2
    assert f"there is no topic at {other}" in err
    assert f"→ make it: modeltrail --log {other} topic create" in err


def appended(address, number):
    """Append as above; return whether a broker that has just come back took it."""
    try:
        append(address, number)
    except (LogUnavailableError, LogNotFoundError):
        return False
    return True


def test_tail_shows_what_comes_into_a_partition_that_is_added_while_it_runs(
    home, start, kafka_bootstrap, new_topic, tmp_path
):
    topic, shown = new_topic(), tmp_path / "shown"
    address = f"kafka://{kafka_bootstrap}/{topic}"
    append(address, 1)
    with shown.open("w") as output:
        tail = start("--log", address, "events", "tail", stdout=output)
    wait_until(lambda: "run-1" in shown.read_text(), tail)
    with KafkaAdminClient(bootstrap_servers=kafka_bootstrap) as admin:
        admin.create_partitions({topic: 2})
    with open_log(address) as log:
        wait_until(lambda: log.partitions() == 2, tail)
    append(address, 2, partition=1)
    append(address, 3)
    wait_until(lambda: {"run-2", "run-3"} <= set(shown.read_text().split()), tail)
    assert len(shown.read_text().splitlines()) == 3


@pytest.mark.fault
def test_tail_waits_for_a_broker_that_goes_and_comes_back(home, start, breakable_kafka, tmp_path):
    address = f"kafka://{breakable_kafka.bootstrap}/{make_topic(breakable_kafka.bootstrap)}"
    append(address, 1)
    shown, said = tmp_path / "shown", tmp_path / "said"
    with shown.open("w") as output, said.open("w") as errors:
        tail = start("--log", address, "events", "tail", stdout=output, stderr=errors)
    wait_until(lambda: "run-1" in shown.read_text(), tail)
    breakable_kafka.kill()
    wait_until(lambda: "waiting: kafka://" in said.read_text(), tail)
    breakable_kafka.start()
    wait_until(lambda: appended(address, 2), tail)
    wait_until(lambda: "run-2" in shown.read_text(), tail)
    assert shown.read_text().count("run-1") == 1


def test_a_topic_that_is_not_there_is_down_until_it_is_made_and_checked(
    home, modeltrail, kafka_bootstrap, monkeypatch
):
    monkeypatch.setenv("MODELTRAIL_LOG", f"kafka://{kafka_bootstrap}/made-by-the-command-line-{time.time_ns()}")

    code, out, _ = modeltrail("status")
    assert code == 3
    assert "there is no topic at kafka://" in " ".join(out.split())
    assert "→ make it: modeltrail topic create" in " ".join(out.split())
    assert json.loads(modeltrail("status", "--json")[1])["log"]["is_down"]
    assert modeltrail("topic", "check")[0] != 0
    assert modeltrail("topic", "create", "--replication", 1)[0] == 0
    assert modeltrail("topic", "create", "--replication", 1)[0] == 2
    assert modeltrail("topic", "create", "--replication", 1, "--if-missing")[0] == 0
    code, out, _ = modeltrail("topic", "check")
    assert code == 0, out
    assert modeltrail("status")[0] == 0
    assert json.loads(modeltrail("topic", "check", "--json")[1]) is not None
