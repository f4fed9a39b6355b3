"""How many examples a fuzz test tries: as many as it says, times `--fuzz-factor`."""

from hypothesis import settings


def examples(count: int) -> settings:
    """Return the settings of a fuzz test that tries `count` examples in an ordinary run of the suite.

    Seeds are hypothesis's own: a failure prints how to repeat it, and is tried first in the next run.
    """
    return settings(deadline=None, max_examples=count * settings().max_examples // 100)
