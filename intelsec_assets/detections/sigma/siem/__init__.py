"""Sigma rules compiled for the SIEMs that teams have, what is lost on the way said rule by rule, and deploy packages.

Nothing here runs a rule: that is `scan`; field mappings and what each SIEM can do are data in `detections/pipelines/`.
"""
