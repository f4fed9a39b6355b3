"""What people say that no tool is needed for, or that no tool can do."""

from dataclasses import dataclass

from ostinato.training.phrasing import Phrase, load_phrases

ABILITIES = "I can compute with Python: numbers, words, lists, dates and units."
SMALL = "I am a small demonstration model, so I cannot do that. " + ABILITIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Something said, and the answer to it. Its phrases stand in `phrases/`, in the file of its name."""

    name: str
    thought: str
    answer: str

    @property
    def phrases(self) -> tuple[Phrase, ...]:
        """The ways to say it."""
        return load_phrases(self.name)


TALK = (
    Talk(
        name="greeting",
        thought="A greeting", answer="Hello! " + ABILITIES,
    ),
    Talk(
        name="identity",
        thought="About me", answer="I am nano, the small demonstration model of Ostinato. " + ABILITIES,
    ),
    Talk(
        name="abilities",
        thought="About me", answer=ABILITIES,
    ),
    Talk(
        name="thanks",
        thought="Thanks", answer="You are welcome.",
    ),
    Talk(
        name="beyond me",
        thought="No tool can do this", answer=SMALL,
    ),
)  # fmt: skip
