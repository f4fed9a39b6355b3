"""The grammar of a generation as Lark text for llguidance, with its special tokens, token ranges and %json."""

import json
from collections.abc import Iterable, Sequence

from ostinato.harmony.grammar_forms import Form, Pieces
from ostinato.harmony.grammar_headers import AGAIN, MESSAGE
from ostinato.harmony.preamble import JsonSchema


def lark_text(forms: Sequence[Form], schemas: Sequence[JsonSchema | None], text_ids: Iterable[tuple[int, int]]) -> str:
    """Write the grammar: talk until a call or the answer. `schemas` are those of the forms, None for free text."""
    names = [f"form{index}" for index in range(len(forms))]
    talk = [name for name, form in zip(names, forms, strict=True) if form.is_talk]
    acts = [name for name, form in zip(names, forms, strict=True) if not form.is_talk]
    lines = ["start: " + ("talk* " if talk else "") + "act"]
    if talk:
        lines.append(f"talk: ({' | '.join(talk)}) {_sequence(AGAIN)}")
    lines.append(f"act: {' | '.join(acts)}")
    for name, form, schema in zip(names, forms, schemas, strict=True):
        lines.append(f"{name}: {_header(form)} {name}_body {form.terminator}")
        lines.append(f"{name}_body: " + ("text" if schema is None else f"%json {json.dumps(schema)}"))
    numbers = ",".join(f"{first}-{last}" for first, last in text_ids)
    return "\n".join([*lines, f"text: <[{numbers}]>*", ""])


def _header(form: Form) -> str:
    kinds = [kind for kind in form.types if kind]
    types = f" ({' | '.join(map(_sequence, kinds))})?" if kinds else ""
    return f"({' | '.join(map(_sequence, form.places))}){types} {_sequence(MESSAGE)}"


def _sequence(pieces: Pieces) -> str:
    return " ".join(piece if piece.startswith("<|") else json.dumps(piece) for piece in pieces)
