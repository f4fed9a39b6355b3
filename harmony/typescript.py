"""TypeScript in pieces: types that know how they combine, literals, keys, comments."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto


class Notation(Enum):
    """How a type is written, and so how it combines with others."""

    ATOM = auto()  # stands anywhere
    COMPOUND = auto()  # `a | b`: needs parentheses in front of `[]`
    LISTED = auto()  # one variant a line, for there are comments on them; begins and ends on lines of its own


@dataclass(frozen=True, slots=True)
class Type:
    """The text of a type."""

    text: str
    notation: Notation = Notation.ATOM

    @property
    def in_line(self) -> str:
        """The type within a union of others."""
        return f"({self.text})" if self.notation == Notation.LISTED else self.text

    @property
    def grouped(self) -> str:
        """The type as an operand of anything."""
        return self.text if self.notation == Notation.ATOM else f"({self.text})"

    @property
    def array(self) -> "Type":
        """The type of a list of it."""
        return Type(f"Array<{self.text}>" if self.notation == Notation.LISTED else f"{self.grouped}[]")


ANY, NEVER, NULL = Type("any"), Type("never"), Type("null")


def union(members: Iterable[Type]) -> Type:
    """Join types by `|`: of equal ones one is left, and `any` says it all."""
    unique = list(dict.fromkeys(members))
    if ANY in unique or not unique:
        return ANY
    return unique[0] if len(unique) == 1 else Type(" | ".join(each.in_line for each in unique), Notation.COMPOUND)


def intersection(members: Iterable[Type]) -> Type:
    """Join types by `&`: `any` adds nothing."""
    unique = [member for member in dict.fromkeys(members) if member != ANY]
    if len(unique) < 2:
        return unique[0] if unique else ANY
    return Type(" & ".join(each.grouped for each in unique), Notation.COMPOUND)


def literal(value: object) -> str:
    """Write a JSON value; the two line ends that JSON leaves as they are would end a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def property_key(name: str) -> str:
    """Write the key of a property, in quotes if it is no identifier."""
    return name if name.replace("$", "_").isidentifier() else literal(name)


def comment(text: object, *, label: str = "") -> list[str]:
    """Write a text as comment lines, the first of which begins with the label."""
    lines = text.splitlines() if isinstance(text, str) else []
    return [f"// {label if index == 0 else ''}{line}" for index, line in enumerate(lines)]


def plain(text: object) -> str:
    """Write a value in a comment: text as it is unless it has more than one line, all else as JSON."""
    return text if isinstance(text, str) and text.splitlines() == [text] else literal(text)
