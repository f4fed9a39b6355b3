"""Tool names the model can write: identifiers, each for one original name and no other.

Functions come with names that no TypeScript declaration and no header can hold (`get-weather`, `files.read`, `2nd try`,
`检索`). The model is shown a safe name instead, and the map, read backwards, says which function it called.
"""

import re
from collections.abc import Iterable

UNNAMED = "tool"  # for a name of which nothing can be kept


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """Map each name to an identifier (`[A-Za-z_][A-Za-z0-9_]*`) that no other of the names has.

    A name that is an identifier stays as it is, whatever stands before it. Of the others, in order, a space, hyphen or
    dot becomes `_`, other characters are dropped, a leading digit gets `_` before it, and a clash ends in `_2`, `_3`.
    """
    names = list(dict.fromkeys(names))
    safe = {name: name for name in names if _is_identifier(name)}
    taken = set(safe)
    for name in names:
        if name not in safe:
            safe[name] = _free(_identifier(name), taken)
            taken.add(safe[name])
    return {name: safe[name] for name in names}


def _is_identifier(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None


def _identifier(name: str) -> str:
    kept = re.sub(r"[^A-Za-z0-9_]", "", re.sub(r"[ .-]", "_", name)) or UNNAMED
    return f"_{kept}" if kept[0].isdigit() else kept


def _free(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
