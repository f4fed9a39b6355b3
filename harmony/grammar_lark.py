"""The grammar of a generation as Lark text for llguidance, with its special tokens, token ranges and %json."""

import json
from collections.abc import Iterable, Mapping, Sequence

from ostinato.harmony.grammar_forms import Form, Pieces
from ostinato.harmony.grammar_headers import AGAIN, MESSAGE
from ostinato.harmony.grammar_json import PUNCTUATION, JsonGrammar


def lark_text(forms: Sequence[Form], bodies: Mapping[Form, JsonGrammar], text_ids: Iterable[tuple[int, int]]) -> str:
    """Write the grammar: talk until a call or the answer. A form that has no JSON body takes free text."""
    names = [f"form{index}" for index in range(len(forms))]
    talk = [name for name, form in zip(names, forms, strict=True) if form.is_talk]
    acts = [name for name, form in zip(names, forms, strict=True) if not form.is_talk]
    lines = ["start: " + ("talk* " if talk else "") + "act"]
    if talk:
        lines.append(f"talk: ({' | '.join(talk)}) {_sequence(AGAIN)}")
    lines.append(f"act: {' | '.join(acts)}")
    for name, form in zip(names, forms, strict=True):
        body = f"{name}_body" if form in bodies else "text"
        lines.append(f"{name}: {_header(form)} {body} {form.terminator}")
        lines += bodies[form].rules(body) if form in bodies else ()
    numbers = ",".join(f"{first}-{last}" for first, last in text_ids)
    return "\n".join([*lines, *PUNCTUATION, f"text: <[{numbers}]>*", ""])


def _header(form: Form) -> str:
    kinds = [kind for kind in form.types if kind]
    types = f" ({' | '.join(map(_sequence, kinds))})?" if kinds else ""
    return f"({' | '.join(map(_sequence, form.places))}){types} {_sequence(MESSAGE)}"


def _sequence(pieces: Pieces) -> str:
    return " ".join(piece if piece.startswith("<|") else json.dumps(piece) for piece in pieces)
