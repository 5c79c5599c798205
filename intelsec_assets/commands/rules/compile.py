"""`intelsec rules compile`: the rules as queries of SIEMs, written to files or compared with those that lie there.

What becomes of a rule in a SIEM is `intelsec_assets.detections.sigma.siem`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intelsec_assets.commands.faces import FOUND_SOMETHING, WRONG_USE, Json, fail, print_json
from intelsec_assets.detections.errors import RuleError
from intelsec_assets.settings import from_environment
from intelsec_assets.wording import counted


def compile_rules(
    rules: Annotated[list[str] | None, typer.Argument(help="Rules by name or id. Default: all.")] = None,
    to: Annotated[list[str] | None, typer.Option("--to", help="A target; may be repeated. Default: all.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder. Default, for the project's own rules: detections/compiled.")
    ] = None,
    rules_folder: Annotated[
        Path | None, typer.Option("--rules", help="Rules from elsewhere: a file or folder. Needs --out.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; say what is not current.")] = False,
    json: Json = False,
) -> None:
    """Compile rules for SIEMs: Splunk, Elasticsearch, OpenSearch, Loki, Sentinel, Athena.

    Writes detections/compiled/<target>/<rule>.<extension> with a manifest a target, and docs/siem-coverage.md when all
    rules of the checkout are compiled for all targets. Queries whose rule is gone are removed, from a folder given with
    --out only if its manifest names them. Exit code 1 with --check when a file is not what the rules give; 2 for an
    unknown rule or target, for rules from elsewhere without a folder of their own, or without the packages of the
    extra `siem`.
    Example: intelsec rules compile root-use --to splunk
    """
    from intelsec_assets.detections.sigma.rules import load_any, load_rules
    from intelsec_assets.detections.sigma.siem import compiling, coverage_table, outputs
    from intelsec_assets.detections.sigma.siem.targets import load_targets

    elsewhere = rules_folder is not None
    if elsewhere and out is None:
        fail(
            "rules from elsewhere do not go into the project's own compiled queries: say where with --out FOLDER, as "
            f"in intelsec rules compile --rules {rules_folder} --out compiled-elsewhere",
            WRONG_USE,
        )
    detections = from_environment().detections
    folder = out or detections / outputs.COMPILED.name
    try:
        targets = load_targets()
        everything = (
            load_any([rules_folder])
            if rules_folder is not None
            else load_rules(detections / "sigma", with_samples=False)
        )
        chosen = everything.only(rules) if rules else everything
        compiled = compiling.compile_all(chosen, targets, to)
    except RuleError as error:
        fail(str(error), WRONG_USE)
    names = tuple(dict.fromkeys(one.target.name for one in compiled))
    others = outputs.manifest_of_others(folder, names, elsewhere=elsewhere) if out is not None else None
    if others is not None:
        whose = "the project's own rules" if elsewhere else "rules from elsewhere"
        fail(f"{others} tells of queries of {whose}; name another folder with --out", WRONG_USE)
    files = outputs.as_files(compiled, elsewhere=elsewhere)
    if rules:  # a manifest tells of all rules of a target
        files = {name: text for name, text in files.items() if not name.endswith(outputs.MANIFEST)}
    whole = () if rules else names
    named_only = out is not None
    # the page is the checkout's; rules of another INTELSEC_DETECTIONS have no place in it
    is_page = not rules and not to and out is None and folder.resolve() == outputs.COMPILED
    page = coverage_table.render(compiled, targets) if is_page else None
    found = outputs.differences(files, folder, whole=whole, named_only=named_only) if check else []
    if check and page is not None:
        found += outputs.differences({coverage_table.PAGE.name: page}, coverage_table.PAGE.parent)
    if not check:
        outputs.write(files, folder, whole=whole, named_only=named_only)
        if page is not None:
            outputs.write({coverage_table.PAGE.name: page}, coverage_table.PAGE.parent)
    if json:
        told = [
            {
                "rule": one.rule.name,
                "target": one.target.name,
                "verdict": one.verdict,
                "deviations": [{"code": d.code, "about": d.about, "words": d.words(targets)} for d in one.deviations],
                "queries": [query.text for query in one.queries],
            }
            for one in compiled
        ]
        print_json({"compiled": told, "not_current": [str(difference) for difference in found]})
    else:
        for one in compiled:
            codes = ", ".join(sorted({deviation.code for deviation in one.deviations}))
            typer.echo(f"{one.verdict:<8} {one.target.name:<21} {one.rule.name:<44} {codes}".rstrip())
        for difference in found:
            typer.echo(str(difference), err=True)
        of = counted(len({one.rule.rule_id for one in compiled}), "rule")
        typer.echo(f"{counted(len(compiled), 'query', 'queries')} of {of}", err=True)
    if found:
        raise typer.Exit(FOUND_SOMETHING)
