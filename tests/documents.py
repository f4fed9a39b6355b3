"""What the documents hold that a test can run: their blocks of Python and the rows of their tables."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def python_blocks(name: str) -> list[str]:
    """Return each block of Python in a document, in order."""
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def code_rows(name: str) -> list[tuple[str, str]]:
    """Return the first code in each of the first two cells of a table's rows, where both begin with code."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(r"^\| `([^`]+)`[^|]*\| `([^`]+)`.*\|$", text, re.MULTILINE)
