"""Processing pipelines for rules that run in DuckDB; fields keep their names, since Sigma's are the providers' own.

Mappings of one site's columns do not belong here: they are pipelines of that site.
"""

from sigma.processing.conditions import LogsourceCondition
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import SetStateTransformation

__all__ = ["duckdb_audit_tables"]

TABLES = {
    ("aws", "cloudtrail"): "cloudtrail",
    ("gcp", "gcp.audit"): "gcp_audit",
    ("azure", "activitylogs"): "azure_activity",
}


def duckdb_audit_tables() -> ProcessingPipeline:
    """Rules of each cloud's audit log read its table: cloudtrail, gcp_audit, azure_activity."""
    return ProcessingPipeline(
        name="Audit logs of clouds as tables of DuckDB",
        allowed_backends=frozenset({"duckdb"}),
        priority=20,
        items=[
            ProcessingItem(
                identifier=f"duckdb_table_{table}",
                transformation=SetStateTransformation("table", table),
                rule_conditions=[LogsourceCondition(product=product, service=service)],
            )
            for (product, service), table in TABLES.items()
        ],
    )
