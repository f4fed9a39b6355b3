"""What a kind of question is: values, wordings, what the model should think, the code, and the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ostinato.training.phrasing import Phrase, load_phrases
from ostinato.training.values import Values

Slots = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of question that Python answers.

    Its phrases stand in `phrases/`, in the file of its name. `values` draws what the question is about. `goal` names what is asked for without values, `thought` with them;
    `code` and `answer` are templates over the same slots, `answer` with `{out}`, what the code printed.
    """

    name: str
    topic: str
    values: Callable[[Values], Slots]
    goal: str
    thought: str
    code: str
    answer: str
    weight: float = 1.0

    @property
    def phrases(self) -> tuple[Phrase, ...]:
        """The ways to ask it."""
        return load_phrases(self.name)


def shown_number(number: int | str, values: Values) -> str:
    """Show a number as people write it: now and then with thousands separators."""
    text = str(number)
    if values.rng.random() < 0.12 and text.isdigit() and len(text) > 3:
        return f"{int(text):,}"
    return text


def shown_list(items: list[str], values: Values) -> str:
    """Show a list as people write it: with commas, an `and`, brackets or blanks."""
    style = values.rng.random()
    if style < 0.5:
        return ", ".join(items)
    if style < 0.65:
        return f"[{', '.join(items)}]"
    if style < 0.8 and len(items) > 1:
        return f"{', '.join(items[:-1])} and {items[-1]}"
    if style < 0.9:
        return " ".join(items)
    return ",".join(items)


def quoted(text: str, values: Values) -> str:
    """Show a word or sentence as people write it: quoted or not."""
    style = values.rng.random()
    if style < 0.4:
        return f'"{text}"'
    if style < 0.6:
        return f"'{text}'"
    return text
