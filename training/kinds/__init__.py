"""The kinds of question the embedded model is taught, by topic."""

from ostinato.training.kinds.arithmetic import ARITHMETIC
from ostinato.training.kinds.dates import DATES
from ostinato.training.kinds.kind import Kind
from ostinato.training.kinds.lists import LISTS
from ostinato.training.kinds.strings import STRINGS
from ostinato.training.kinds.units import UNITS

PYTHON_KINDS: tuple[Kind, ...] = (*ARITHMETIC, *STRINGS, *LISTS, *DATES, *UNITS)

__all__ = ["ARITHMETIC", "DATES", "LISTS", "PYTHON_KINDS", "STRINGS", "UNITS", "Kind"]
