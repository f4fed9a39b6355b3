"""The names of the types that a namespace declares."""

import re
from collections.abc import Iterable

# fmt: off
NOT_FREE = frozenset({
    "Array", "Record", "any", "as", "await", "bigint", "boolean", "break", "case", "catch", "class", "const",
    "continue", "debugger", "default", "delete", "do", "else", "enum", "export", "extends", "false", "finally", "for",
    "function", "if", "implements", "import", "in", "instanceof", "interface", "is", "let", "namespace", "never", "new",
    "null", "number", "object", "of", "package", "private", "protected", "public", "return", "static", "string",
    "super", "switch", "symbol", "this", "throw", "true", "try", "type", "typeof", "undefined", "unknown", "var",
    "void", "while", "with", "yield",
})
# fmt: on


class TypeNames:
    """The names that are taken in one namespace, and the definitions that some of them stand for."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*taken, *NOT_FREE}
        self._declared: dict[str, str] = {}

    def find(self, closure: str | None) -> str | None:
        """Return the name under which the same definition is declared already."""
        return None if closure is None else self._declared.get(closure)

    def declare(self, wanted: str, closure: str | None) -> str:
        """Take a free name like the wanted one."""
        base = re.sub(r"\W", "_", wanted, flags=re.ASCII) or "_"
        name = base = f"_{base}" if base[0].isdigit() else base
        number = 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        if closure is not None:
            self._declared[closure] = name
        return name
