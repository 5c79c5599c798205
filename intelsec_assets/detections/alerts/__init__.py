"""An alert's whole life: intake of findings, severity, grouping, states, verdicts, and the time people take.

One life for the findings of every engine; rows are kept by `resources.store`, and rules are judged in `quality`.
"""
