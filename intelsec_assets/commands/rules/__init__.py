"""`intelsec rules`: Sigma rules linted, tested, explained, compiled, run over files and judged by what came of them.

Each subcommand has a module of its own here; what they do is in `intelsec_assets.detections`.
"""

from __future__ import annotations

import typer

rules = typer.Typer(
    name="rules",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Sigma rules: lint, test, explain, coverage, compile, package, run, backtest, quality, proposals.",
)
