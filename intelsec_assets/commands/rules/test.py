"""`intelsec rules test`: samples of rules run through the engine, and what came out otherwise than their folder says.

How they are run is `intelsec_assets.detections.sigma.samples_run`.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

from intelsec_assets.commands.faces import FOUND_SOMETHING, WRONG_USE, Json, fail, harmless, print_json
from intelsec_assets.commands.rules.lint import AsOf, day_or_today, rules_folder
from intelsec_assets.detections.errors import DetectionError
from intelsec_assets.wording import counted


def rules_test(
    rules: Annotated[list[str] | None, typer.Argument(help="Rules by name or id. Default: all.")] = None,
    folder: Annotated[Path | None, typer.Option("--rules", help="Folder of rules. Default: detections/sigma.")] = None,
    as_of: AsOf = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Name every sample, not only those that fail.")
    ] = False,
    json: Json = False,
) -> None:
    """Run the samples of rules: positive ones must make a finding, negative ones must not. Exceptions apply.

    Exit code 1 when a sample came out otherwise, 2 when rules cannot be loaded. Example: intelsec rules test root-use
    """
    from intelsec_assets.detections.sigma.rules import load_rules
    from intelsec_assets.detections.sigma.samples_run import run_samples
    from intelsec_assets.engine import session
    from intelsec_assets.settings import from_environment

    place, only = rules_folder(folder, from_environment().detections / "sigma")
    wanted = rules or ([only] if only else None)
    try:
        loaded = load_rules(place, as_of=day_or_today(as_of))
        chosen = loaded.only(wanted) if wanted else loaded
        with session() as con:
            results = run_samples(con, chosen)
    except DetectionError as error:
        fail(str(error), WRONG_USE)
    failed = [result for result in results if not result.passed]
    if json:
        print_json([{**vars(result), "passed": result.passed} for result in results])
    else:
        by_rule = defaultdict(list)
        for result in results:
            by_rule[result.rule].append(result)
        for name, own in by_rule.items():
            wrong = sum(not result.passed for result in own)
            typer.echo(f"{'FAIL' if wrong else 'ok':<5}{name:<44}{len(own) - wrong} of {len(own)} samples")
            for result in own:
                if verbose or not result.passed:
                    outcome = "fired" if result.fired else "did not fire"
                    mark = "as it should" if result.passed else "AND SHOULD NOT" if result.fired else "AND SHOULD"
                    typer.echo(harmless(f"     {result.sample}: {outcome}, {mark}: {result.description}"))
        said = f"{counted(len(by_rule), 'rule')}, {counted(len(results), 'sample')}, {len(failed)} failed"
        typer.echo(said, err=True)
    if failed:
        raise typer.Exit(FOUND_SOMETHING)
