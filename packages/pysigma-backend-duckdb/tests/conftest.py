"""Lets the tests import the reference evaluator and the engines that stand beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
