"""Sigma: rules with their samples and exceptions, run over cloud audit events, compiled for SIEMs.

Rules themselves are content and lie in the folder `detections/sigma/` of the repository.
"""
