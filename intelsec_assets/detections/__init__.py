"""Detections: cloud audit logs and runtime events become findings, findings become alerts, verdicts flow back.

Rules, their samples and exceptions are content and lie in the folder `detections/` of the repository.
"""
