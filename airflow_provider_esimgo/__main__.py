"""`python -m airflow_provider_esimgo …`: the commands of `airflow esimgo`, which Airflow 3.1 does not load."""

import argparse
import logging
import sys
from typing import Any

from airflow.cli.cli_config import CLICommand, GroupCommand

from airflow_provider_esimgo.cli.commands import get_esimgo_commands


def build_parser() -> argparse.ArgumentParser:
    """The same tree of commands as under `airflow esimgo`."""
    (esimgo,) = get_esimgo_commands()
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_esimgo", description=esimgo.help)
    _add(parser, esimgo)
    return parser


def _add(parser: argparse.ArgumentParser, command: CLICommand) -> None:
    if isinstance(command, GroupCommand):
        branches: Any = parser.add_subparsers(metavar="COMMAND", required=True)
        for each in command.subcommands:
            _add(
                branches.add_parser(each.name, help=each.help, description=each.description or each.help),
                each,
            )
        return
    for arg in command.args:
        arg.add_to_parser(parser)
    parser.set_defaults(func=command.func)


def _log_to_stderr() -> None:
    """As `airflow` itself does for commands that print JSON: log lines would spoil it."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)


if __name__ == "__main__":
    arguments = build_parser().parse_args()
    _log_to_stderr()
    arguments.func(arguments)
