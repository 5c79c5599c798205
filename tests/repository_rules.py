"""The rules of the repository with their samples, read once a process; nobody changes them."""

from __future__ import annotations

from intelsec_assets.detections.sigma.rules import load_rules
from intelsec_assets.settings import REPOSITORY

RULES = load_rules(REPOSITORY / "detections" / "sigma")
