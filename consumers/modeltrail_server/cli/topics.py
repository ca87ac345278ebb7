"""The commands that make a Kafka topic fit to be the log, and say what is wrong with one that is there."""

from typing import Annotated

import typer
from modeltrail.errors import ConfigurationError, LogExistsError
from modeltrail.log.opening import KafkaAddress, parse_address
from rich.text import Text

from modeltrail_server.cli.context import CommandContext, command_context
from modeltrail_server.cli.options import EXIT_NO, AsJson

SEVERITY_STYLES = {"error": "bold red", "warning": "yellow"}

app = typer.Typer()
topic = typer.Typer(no_args_is_help=True, help="Make and check the Kafka topic that MODELTRAIL_LOG names.")
app.add_typer(topic, name="topic")


@topic.command()
def create(
    context: typer.Context,
    partitions: Annotated[int, typer.Option(min=1, help="One gives a total order, and is enough for most.")] = 1,
    replication: Annotated[int | None, typer.Option(min=1, help="[default: 3, or the number of brokers]")] = None,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Be content with one that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the topic as a log needs it.

    Nothing in it is ever deleted or rewritten, and the brokers stamp the time.
    """
    from modeltrail.log.topic import create as create_topic

    command = command_context(context)
    address = _address(command)
    try:
        identity = create_topic(
            address.bootstrap,
            address.topic,
            partitions=partitions,
            replication=replication,
            options=command.config.log_options,
        )
    except LogExistsError:
        if not if_missing:
            raise
        command.print_answer({"name": address.topic}, [Text(f"{address.topic} is there already")], as_json=as_json)
        return
    command.print_answer(identity, [Text(f"made {identity.name}, id {identity.topic_id}")], as_json=as_json)


@topic.command()
def check(context: typer.Context, as_json: AsJson = False) -> None:
    """Say what about the topic can lose or falsify history. Exit code 1 when something can."""
    from modeltrail.log.topic import check as check_topic

    command = command_context(context)
    address = _address(command)
    findings = check_topic(address.bootstrap, address.topic, options=command.config.log_options)
    lines = [
        Text.assemble(
            (f"{finding.severity:<8}", SEVERITY_STYLES[finding.severity]),
            finding.what,
            f"\n        → {finding.remedy}",
        )
        for finding in findings
    ]
    command.print_answer(
        findings, lines or [Text(f"{address.topic} is fit to be a log", style="green")], as_json=as_json
    )
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(EXIT_NO)


def _address(command: CommandContext) -> KafkaAddress:
    address = parse_address(command.config.log)
    if not isinstance(address, KafkaAddress):
        raise ConfigurationError(
            f"{command.config.log} is a file: there is no topic to make or check",
            remedy="name the topic: MODELTRAIL_LOG=kafka://HOST:PORT/TOPIC, or --log",
        )
    return address
