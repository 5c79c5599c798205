"""`intelsec rules`: Sigma rules linted, tested, explained, compiled, run over files and judged by what came of them.

Each subcommand has a module of its own here; what they do is in `intelsec_assets.detections`.
"""

from __future__ import annotations

import typer

from intelsec_assets.commands.rules.backtest import backtest
from intelsec_assets.commands.rules.compile import compile_rules
from intelsec_assets.commands.rules.coverage import coverage
from intelsec_assets.commands.rules.explain import explain
from intelsec_assets.commands.rules.lint import lint
from intelsec_assets.commands.rules.package import package
from intelsec_assets.commands.rules.proposals import proposals
from intelsec_assets.commands.rules.quality import quality
from intelsec_assets.commands.rules.run import run
from intelsec_assets.commands.rules.test import rules_test

rules = typer.Typer(
    name="rules",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Sigma rules: lint, test, explain, coverage, compile, package, run, backtest, quality, proposals.",
)
for _name, _command in (
    ("lint", lint),
    ("test", rules_test),
    ("explain", explain),
    ("coverage", coverage),
    ("compile", compile_rules),
    ("package", package),
    ("run", run),
    ("backtest", backtest),
    ("quality", quality),
    ("proposals", proposals),
):
    rules.command(_name)(_command)
