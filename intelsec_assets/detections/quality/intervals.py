"""How sure a share is that was counted among few: Wilson's interval.

What follows from a share is decided by who counts.
"""

from __future__ import annotations

import math

Z_95 = 1.959963984540054  # two-sided 95 % of the normal distribution


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion: the shares p with |successes/n - p| <= z * sqrt(p (1 - p) / n).

    Raises ValueError for n = 0: nothing is known then.
    """
    if n <= 0:
        raise ValueError(f"a proportion of {n} has no interval; expected at least one")
    share, z2 = successes / n, Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # the ends are 0 and 1 where nothing or everything succeeded; sums of doubles miss them by the last bit
    return (0.0 if successes == 0 else max(0.0, centre - reach), 1.0 if successes == n else min(1.0, centre + reach))
