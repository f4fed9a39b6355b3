"""What the tokens of a run were spent on."""

from collections.abc import Sequence
from dataclasses import dataclass

from ostinato.engine.interface import Usage
from ostinato.harmony import Channel, Message, Tokenizer
from ostinato.harmony.kinds import special_kinds
from ostinato.tools import is_call


@dataclass(slots=True, kw_only=True)
class RunUsage(Usage):
    """Tokens of one generation or more: `sampled` is the sum of what they were sampled for.

    `reasoning`, `calls` and `answer` are the text of messages: thoughts, arguments or code for tools, and what the user
    reads, which may include a word before a call. `control` is all the rest: headers, the tokens that shape messages,
    what belongs to no message, and what is not finished yet.
    """

    reasoning: int = 0
    calls: int = 0
    answer: int = 0
    control: int = 0

    def __add__(self, other: "RunUsage") -> "RunUsage":
        return RunUsage(
            prompt=self.prompt + other.prompt,
            cached=self.cached + other.cached,
            sampled=self.sampled + other.sampled,
            reasoning=self.reasoning + other.reasoning,
            calls=self.calls + other.calls,
            answer=self.answer + other.answer,
            control=self.control + other.control,
        )


def split(message: Message, content: int) -> RunUsage:
    """Say what the ids of a message's content were sampled for."""
    if is_call(message):
        return RunUsage(calls=content)
    return RunUsage(reasoning=content) if message.channel == Channel.ANALYSIS else RunUsage(answer=content)


def content_places(message: Message, ids: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    """Return where among the `ids` of a message, as they were sampled, its content is.

    Without `<|message|>` nothing divides header and content: then it is the fewest last ids that hold the text.
    """
    special = special_kinds(tokenizer)
    if tokenizer.message in ids:
        begin = ids.index(tokenizer.message) + 1
        return [place for place in range(begin, len(ids)) if ids[place] not in special]
    places: list[int] = []
    missing = len(message.text.encode(errors="surrogatepass"))
    for place in reversed(range(len(ids))):
        if missing > 0 and ids[place] not in special:
            missing -= len(tokenizer.token_bytes(ids[place]))
            places.append(place)
    return places[::-1]
