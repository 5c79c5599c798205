"""pySigma backend for DuckDB; `backends` is what pySigma's plugin discovery reads."""

from .backend import DuckDBBackend
from .correlation import CompiledCorrelation
from .ruleset import CompiledRule, CompiledRuleset, compile_ruleset

__all__ = ["CompiledCorrelation", "CompiledRule", "CompiledRuleset", "DuckDBBackend", "compile_ruleset"]

backends = {"duckdb": DuckDBBackend}
