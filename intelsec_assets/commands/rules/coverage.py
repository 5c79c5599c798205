"""`intelsec rules coverage`: ATT&CK techniques and the rules that see them, sole ones, and gaps by tactic.

What is counted how is `intelsec_assets.detections.sigma.coverage`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intelsec_assets.commands.faces import WRONG_USE, Json, fail, harmless, print_json
from intelsec_assets.commands.rules.lint import rules_folder
from intelsec_assets.detections.errors import RuleError
from intelsec_assets.wording import counted


def coverage(
    folder: Annotated[Path | None, typer.Option("--rules", help="Folder of rules. Default: detections/sigma.")] = None,
    json: Json = False,
) -> None:
    """Show which ATT&CK techniques the rules are meant to see, which only one of them sees, and where there is none.

    The same as a page: docs/rule-coverage.md. Example: intelsec rules coverage --json
    """
    from intelsec_assets.detections.sigma.attack import attack_tables
    from intelsec_assets.detections.sigma.coverage import coverage as coverage_of
    from intelsec_assets.detections.sigma.rules import load_rules
    from intelsec_assets.settings import DETECTIONS, from_environment

    place, _ = rules_folder(folder, from_environment().detections / "sigma")
    try:
        found = coverage_of(load_rules(place, with_samples=False), attack_tables(DETECTIONS / "attack"))
    except RuleError as error:
        fail(str(error), WRONG_USE)
    if json:
        print_json(found.as_json())
        return
    techniques = counted(len(found.techniques), "technique")
    typer.echo(f"{counted(len(found.rules), 'rule')}, {techniques} of ATT&CK {found.version}")
    for covered in found.techniques:
        technique = covered.technique
        names = ", ".join([*covered.rules, *(f"{name} (test)" for name in covered.in_test)])
        sole = "sole  " if covered.is_sole else "      "
        typer.echo(harmless(f"{technique.technique_id:<11}{sole}{technique.name:<40}{names}"))
    for tactic in found.tactics:
        gaps = ", ".join(gap.technique_id for gap in tactic.cloud_gaps)
        without = f"; without a rule: {gaps}" if gaps else ""
        typer.echo(
            f"{tactic.tactic:<22}{counted(len(tactic.rules), 'rule')}, "
            f"{tactic.covered} of {counted(tactic.techniques, 'technique')}{without}"
        )
    for name, rules in found.logsources:
        typer.echo(f"{name:<22}{counted(len(rules), 'rule')}")
