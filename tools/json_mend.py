"""Mend JSON that a model wrote: text → what it may have meant.

A mend is made only where it can be shown that nothing of what was written is lost and nothing invented:

- `with_right_brackets` changes nothing but the run of closing brackets at the end of the text.
- `objects_in` changes nothing at all: it finds whole objects that stand in prose, none in what may be JSON or code.
- `with_right_syntax` leaves the guess to json-repair, and takes it only if the guess holds all that was written, in
  order, each string between the quotes it was written between, and every bracket but for the closing ones at the end.

None of them closes a string that is still open at the end of the text. What follows was never written, so a mend would
act on half a file or half a command. Nor is a quotation mark inside a string mended: where the string ends is a guess.
"""

import json
import re
from collections.abc import Iterator

_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)|[{}\[\]]', re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}
_PUNCTUATION = re.compile(r"[\s{}\[\],:\"'“”‘’]*")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}
_AFTER_WORD = frozenset(",:]} \t\r\n")
_DECODER = json.JSONDecoder(strict=False)
_OBJECT = "\0"  # stands for an object in the text around it
_PART = re.compile(r"""(?:["']\s*:|[=,"'])\s*\0|\0[\s)]*(?:[,"']|[\w-]+\s*[:=])""")  # an object in a larger whole
_QUOTED = re.compile(r""""[^"\n]*"|'[^'\n]*'""")
_MAX_STARTS = 100  # objects are looked for at so many opening braces
_MAX_GUESSED_CHARS = 100_000  # beyond, a guess takes longer than asking the model again


def parsed(text: str) -> object:
    """Parse JSON; line breaks and tabs inside strings are taken as they are.

    Raises:
        ValueError: if it is not JSON; RecursionError if it is nested beyond all bounds.
    """
    return _DECODER.decode(text)


def with_right_brackets(text: str) -> list[object]:
    """Read text whose closing brackets at the end are too few, too many or the wrong ones."""
    text = text.strip()
    kept = text.rstrip("]} \t\r\n")
    still_open = _open_brackets(kept)
    is_cut = kept == text and not text.endswith('"')  # `{"n": 12`, which may have been 1234
    if not still_open or is_cut:
        return []
    return _parsed_or_nothing(kept + "".join(_CLOSING[bracket] for bracket in reversed(still_open)))


def objects_in(text: str) -> list[object]:
    """Find the objects in prose.

    There is none if the text around them may belong to them, or they to it: if brackets or quotes are left open in it,
    or a key, a quotation mark, a comma or an assignment stands beside an object, as in code.
    """
    found: list[object] = []
    around: list[str] = []
    position = 0
    for start, value, end in _whole_objects(text):
        found.append(value)
        around.append(text[position:start])
        position = end
    prose = _OBJECT.join([*around, text[position:]])
    is_prose = prose.count('"') % 2 == 0 and not _PART.search(prose)
    is_whole = _is_balanced(prose) and _is_balanced(_QUOTED.sub("", prose))
    return [value for value in found if value] if is_prose and is_whole else []


def with_right_syntax(text: str) -> list[object]:
    """Read an object whose quotes, commas or colons are missing or not JSON's, if only one reading keeps all of it."""
    text = text.strip()
    if not text.startswith("{") or len(text) > _MAX_GUESSED_CHARS:
        return []
    import json_repair  # 30 ms that only a broken call pays

    try:
        guess = json_repair.loads(text, strict=True)
    except (ValueError, RecursionError):
        return []
    return [guess] if isinstance(guess, dict) and _keeps_all(guess, text) else []


def _parsed_or_nothing(text: str) -> list[object]:
    try:
        return [parsed(text)]
    except (ValueError, RecursionError):
        return []


def _open_brackets(text: str) -> list[str]:
    """Return the brackets still open at the end of `text`; none if a string is open or a bracket closes another."""
    still_open: list[str] = []
    for found in _STRING_OR_BRACKET.finditer(text):
        token = found[0]
        if token in _CLOSING:
            still_open.append(token)
        elif token in "}]":
            if not still_open or _CLOSING[still_open.pop()] != token:
                return []
        elif not found[1]:
            return []
    return still_open


def _whole_objects(text: str) -> Iterator[tuple[int, object, int]]:
    """Yield each object that is whole, with where it begins and ends."""
    start = -1
    for _ in range(_MAX_STARTS):
        start = text.find("{", start + 1)
        if start < 0:
            return
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        yield start, value, end
        start = end - 1


def _is_balanced(text: str) -> bool:
    """Say whether every bracket is closed by its own, and none is open where an object stands."""
    still_open: list[str] = []
    for token in re.findall(r"[{}\[\]\0]", text):
        if token in _CLOSING:
            still_open.append(_CLOSING[token])
        elif (token == _OBJECT and still_open) or (token != _OBJECT and (not still_open or still_open.pop() != token)):
            return False
    return not still_open


def _keeps_all(guess: dict[str, object], text: str) -> bool:
    """Say whether each key and value of `guess` stands in `text` as it is, in order, with only punctuation between.

    The brackets between them must be those of `guess`, but for the closing ones at the end.
    """
    position = 0
    shape = ""
    for leaf, is_key in _leaves(guess):
        gap = _PUNCTUATION.match(text, position).end()  # type: ignore[union-attr]  # it matches nothing, too
        places = ((text.find(spelled, position, gap + len(spelled)), spelled) for spelled in _spellings(leaf))
        start, spelled = next((place for place in places if place[0] >= 0), (-1, ""))
        if start < 0:
            return False
        end = start + len(spelled)
        before, after = text[max(start - 1, position) : start], text[end : end + 1]
        if not _is_whole(leaf, spelled, before, after, is_key=is_key):
            return False
        shape += _brackets(text[position:start]) + "."
        position = end + (_QUOTES.get(before) == after)  # a quote that closes one string opens no other
    shape += _brackets(text[position:])
    is_all = _PUNCTUATION.fullmatch(text, position) is not None
    return is_all and shape.rstrip("]}") == _shape(guess).rstrip("]}")


def _brackets(text: str) -> str:
    return "".join(re.findall(r"[{}\[\]]", text))


def _shape(value: object) -> str:
    """Write the brackets of a value, and a dot for each key and scalar."""
    if isinstance(value, dict):
        return "{" + "".join("." + _shape(member) for member in value.values()) + "}"
    return "[" + "".join(map(_shape, value)) + "]" if isinstance(value, list) else "."


def _is_whole(leaf: object, spelled: str, before: str, after: str, *, is_key: bool) -> bool:
    """Say whether it is clear where a key or value ends: at the quote that began it, or as one word."""
    if before in _QUOTES and not isinstance(leaf, str):
        return False
    if before in _QUOTES and after == _QUOTES[before]:
        return leaf != spelled or after not in spelled
    if before in _QUOTES and not is_key:
        return False
    return after in _AFTER_WORD and re.fullmatch(r"[\w./+-]+", spelled) is not None


def _leaves(value: object) -> Iterator[tuple[object, bool]]:
    """Yield the keys and scalars of `value` in their order, and whether each is a key."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield key, True
            yield from _leaves(member)
    elif isinstance(value, list):
        for member in value:
            yield from _leaves(member)
    else:
        yield value, False


def _spellings(leaf: object) -> tuple[str, ...]:
    """Return how a value may be written: escaped, as it is if it holds no escape, or as Python writes its constants."""
    if isinstance(leaf, str):
        escaped = json.dumps(leaf, ensure_ascii=False)[1:-1]
        return (escaped,) if "\\" in leaf else (escaped, leaf)
    return (json.dumps(leaf), str(leaf))
