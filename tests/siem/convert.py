"""Converts a corpus of Sigma rules with the SIEM backends of whatever environment runs it, and prints what they gave.

Needs nothing of the project: it runs under pySigma 1.x too, where the project cannot. Standard input is a JSON list of
texts, each the YAML of one rule or of a correlation with its rules; output is a JSON object, backend -> a list of
results, each the queries or the class of the error.
"""

from __future__ import annotations

import copy
import json
import sys
from functools import cache
from importlib import import_module, metadata
from typing import Any

BACKENDS = {
    "splunk": ("sigma.backends.splunk", "SplunkBackend", {}),
    "lucene": ("sigma.backends.elasticsearch", "LuceneBackend", {}),
    "esql": ("sigma.backends.elasticsearch", "ESQLBackend", {}),
    "eql": ("sigma.backends.elasticsearch", "EqlBackend", {}),
    "opensearch": ("sigma.backends.opensearch", "OpensearchLuceneBackend", {}),
    "ppl": ("sigma.backends.opensearch", "OpenSearchPPLBackend", {}),
    "loki": ("sigma.backends.loki", "LogQLBackend", {}),
    "kusto": ("sigma.backends.kusto", "KustoBackend", {}),
}


@cache
def documents(text: str) -> list[Any]:
    """The documents of a text, to be copied: pySigma changes what it is given."""
    import yaml

    return list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def convert(text: str, backend: Any) -> Any:
    """The queries of one text, or the class of the error."""
    from sigma.collection import SigmaCollection

    leaking = getattr(sys.modules.get("sigma.backends.splunk.splunk"), "SplunkDeferredORRegularExpression", None)
    if leaking is not None:
        leaking.reset()  # it numbers fields across rules, and a refused rule leaves its numbers behind
    try:
        # what `from_yaml` does; reading the text took nine tenths of the time, once a backend
        return [str(query) for query in backend.convert(SigmaCollection.from_dicts(copy.deepcopy(documents(text))))]
    except Exception as error:  # noqa: BLE001 - whatever a backend raises is its answer
        return {"error": type(error).__name__, "says": str(error)[:300]}


def main() -> None:
    """Read the corpus, convert it with each backend, print what came of it."""
    corpus = json.load(sys.stdin)
    results: dict[str, Any] = {"pysigma": metadata.version("pysigma"), "backends": {}}
    for name, (module, class_name, options) in BACKENDS.items():
        made = getattr(import_module(module), class_name)
        results["backends"][name] = [convert(text, made(**options)) for text in corpus]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
