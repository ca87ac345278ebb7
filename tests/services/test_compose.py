"""docker-compose.yml as a user starts it: built, healthy, scaled, used from the host, and kept over ``down``."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_client import get, post
from pytest_docker.plugin import DockerComposeExecutor, Services
from services.fixtures import REMOVAL, told_by_server
from services.server_process import free_ports

pytestmark = [pytest.mark.service, pytest.mark.slow]

PROJECTORS, AUDITORS = 3, 2
DEFAULT_SHARED_BUFFERS = "512MB"
ROOT = Path(__file__).parents[2]
MODELTRAIL = [sys.executable, "-m", "modeltrail.command"]
COMMAND_TIMEOUT_S, LOOKS = 600, 120
TOKEN = "a-token-of-this-test"
EXTRA_AUTHORITIES = Path("/usr/local/share/ca-certificates")  # where Debian keeps those the machine's owner added
TRAINING = """
import modeltrail
with modeltrail.start_run(job="risk/fraud-train") as run:
    run.use_dataset("risk/tx", uri="s3://lake/tx", version="v3", role="train")
    run.log_params({"lr": 0.1})
    run.log_model("risk/fraud", data=b"weights", version="1.2")
"""


class Project:
    """A compose project of this test's own."""

    def __init__(self, folder: Path, compose_file: Path, name: str) -> None:
        self.kafka_port, self.postgres_port, self.api_port = free_ports(3)
        settings = folder / "environment"
        settings.write_text(
            f"KAFKA_PORT={self.kafka_port}\nPOSTGRES_PORT={self.postgres_port}\nAPI_PORT={self.api_port}\n"
            f"MODELTRAIL_PARTITIONS={PROJECTORS}\nMODELTRAIL_IMAGE={name}\nAPI_TOKEN={TOKEN}\n"
        )
        command = f'docker compose --env-file "{settings}"'
        self._executor = DockerComposeExecutor(command, [str(compose_file)], name)
        self.environ = {
            "MODELTRAIL_HOME": str(folder / "home"),
            "MODELTRAIL_LOG": f"kafka://127.0.0.1:{self.kafka_port}/modeltrail",
            "MODELTRAIL_DATABASE": f"postgresql://modeltrail:modeltrail@127.0.0.1:{self.postgres_port}/modeltrail",
        }

    def compose(self, command: str) -> str:
        """Run a compose verb and return what it printed."""
        return self._executor.execute(command).decode()

    def on_host(self, *command: str) -> str:
        """Run a command on the host, as a user of the stack does, and return what it printed."""
        done = subprocess.run(
            command,
            env=os.environ | self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def caught_up(self) -> bool:
        """Return whether every record is projected."""
        status = json.loads(self.on_host(*MODELTRAIL, "status", "--json"))
        return status["read_model"].get("position") == status["log"].get("end")


@pytest.fixture
def project(
    compose: Services | None, tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """Return the project, not started; everything of it is removed at the end."""
    if compose is None:
        pytest.skip("no Docker engine answers: the same roles run as local processes in test_partitions.py")
    if "EXTRA_CA" not in os.environ:
        authorities = "".join(path.read_text() for path in sorted(EXTRA_AUTHORITIES.glob("*.crt")))
        monkeypatch.setenv("EXTRA_CA", authorities)
    project = Project(tmp_path, pytestconfig.rootpath / "docker-compose.yml", f"modeltrail-whole-{os.getpid()}")
    try:
        yield project
    finally:
        project.compose(REMOVAL + " --rmi local")


def documented() -> list[str]:
    """Return the commands of docs/operations.md that start the stack and use it from the host."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    block = text.partition("With Docker, everything at once")[2].partition("```console\n")[2].partition("```")[0]
    return [line.partition("#")[0].removeprefix("$ ").strip() for line in block.splitlines()]


def run_as_documented(project: Project) -> str:
    """Run these commands, on the ports of the test; return what they printed."""
    said = []
    for command in documented():
        program, _, arguments = command.partition(" ")
        if program == "export":
            name, _, value = arguments.partition("=")
            ports = {"9092": project.kafka_port, "5432": project.postgres_port}
            for documented_port, port in ports.items():
                value = value.replace(f":{documented_port}/", f":{port}/")
            assert project.environ[name] == value
        elif program == "docker":
            verb = arguments.removeprefix("compose ").replace("exec ", "exec -T ")
            said.append(project.compose(verb + (" --build" if verb == "up -d --wait" else "")))
        elif program == "python":
            said.append(project.on_host(sys.executable, str(ROOT / arguments)))
        else:
            assert program == "modeltrail", command
            said.append(project.on_host(*MODELTRAIL, *arguments.split()))
            wait_until_projected(project)
    return "\n".join(said)


def test_the_stack_comes_up_healthy_works_from_the_host_and_keeps_what_it_has(project: Project) -> None:
    up = f"up --detach --wait --scale projector={PROJECTORS} --scale auditor={AUDITORS}"
    said = run_as_documented(project)
    assert "clinic/tumours@" in said
    assert "verified" in said
    project.on_host(sys.executable, "-c", TRAINING)
    event = json.dumps(
        {
            "eventType": "START",
            "eventTime": "2026-03-01T00:00:00Z",
            "producer": "https://example.org/test",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": "00000000-0000-7000-8000-000000000001"},
            "job": {"namespace": "airflow", "name": "clean"},
        }
    )
    lineage = f"http://127.0.0.1:{project.api_port}/api/v1/lineage"
    assert post(lineage, event.encode()).status == 401
    assert post(lineage, event.encode(), Authorization=f"Bearer {TOKEN}").status == 201
    wait_until_projected(project)
    assert "risk/tx@v3" in project.on_host(*MODELTRAIL, "show", "risk/fraud")
    assert get(f"http://127.0.0.1:{project.api_port}/health/ready").status == 200
    check_privileges(project)
    assert told_by_server(project.environ["MODELTRAIL_DATABASE"], "shared_buffers") == DEFAULT_SHARED_BUFFERS
    digest = project.on_host(*MODELTRAIL, "digest")
    wait_until_audited(project)

    project.compose("down --timeout 10")
    project.compose(up)
    assert project.on_host(*MODELTRAIL, "digest") == digest
    project.on_host(sys.executable, "-c", TRAINING)
    wait_until_projected(project)
    wait_until_audited(project)


def check_privileges(project: Project) -> None:
    """Check that each of our containers is nobody special, and cannot change its own programs."""
    running = project.compose("ps --services --status running").split()
    assert {"kafka", "postgres", "projector", "indexer", "auditor", "api"} <= set(running)
    for service in ("projector", "indexer", "auditor", "api"):
        assert project.compose(f"exec -T {service} id -u").strip() != "0"
        with pytest.raises(Exception, match="Read-only file system"):
            project.compose(f"exec -T {service} touch /opt/modeltrail/written")
    for service, count in (("projector", PROJECTORS), ("auditor", AUDITORS)):
        assert len(project.compose(f"ps --quiet {service}").split()) == count


def wait_until_projected(project: Project) -> None:
    """Return when the projectors have everything; the log may have grown by what the SDK sent last."""
    for _ in range(LOOKS):
        if project.caught_up():
            return
    pytest.fail(project.compose("logs --tail 20 projector"))


def wait_until_audited(project: Project) -> None:
    """Return when the auditor has signed everything, which then verifies."""
    for _ in range(LOOKS):
        status = json.loads(project.compose("exec -T auditor modeltrail audit status --json"))
        ends = json.loads(project.on_host(*MODELTRAIL, "status", "--json"))["log"]["end"]["offsets"]
        if sum(one["head"]["size"] for one in status["partitions"]) == sum(ends):
            break
    project.compose("exec -T auditor modeltrail audit verify")
