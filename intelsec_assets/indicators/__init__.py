"""Indicators: canonical form, identity, observations, merge, copies, warninglists and scores, as pure functions.

How feeds are fetched and parsed lives in `feeds`; what targets are told about an indicator lives in `exports`.
"""
