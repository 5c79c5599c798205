"""What leaves the house: the plan of what targets should hold, its files (MISP feed, STIX, lists) and the push to MISP.

How an indicator came to be exported belongs to `indicators`; when an export runs belongs to `intelsec_jobs`.
"""
