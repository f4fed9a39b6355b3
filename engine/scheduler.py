"""Scheduler: many generations, one model, a step at a time.

Each step takes one id of every generation that is past its prompt, and a piece of the prompts that are not: small while
others wait for their next id, as large as pays when none does. A generation begins as soon as there is memory for its
prompt. If memory runs out, kept prefixes are let go, then the generation that came last waits, and sees its ids again
later.
"""

from typing import Generic

from torch import Tensor

from ostinato.engine.batch import C, Model, OutOfMemory, Work
from ostinato.engine.generation import Generation
from ostinato.engine.interface import EngineError
from ostinato.engine.prefix_cache import PrefixCache

_BESIDE_OTHERS = 128  # ids of prompts in a step that others wait for


class Scheduler(Generic[C]):
    """Decides what each step does. It is used by one thread."""

    def __init__(self, model: Model[C]) -> None:
        self._model = model
        self._prefixes: PrefixCache[C] = PrefixCache()
        self._generations: list[Generation[C]] = []  # in the order they came
        self.waiting: set[Generation[C]] = set()  # for memory, until another one is done

    def add(self, generation: Generation[C]) -> None:
        """Begin with a generation's cache, so that it can say what is cached; it may have to wait for memory."""
        self._generations.append(generation)
        self._admit(generation)

    def remove(self, generation: Generation[C]) -> None:
        """Let go of a generation, whatever it has come to, and keep what it has seen."""
        if generation not in self._generations:
            return
        self._generations.remove(generation)
        self.waiting.clear()
        if generation.cache is not None:
            self._prefixes.keep(generation.ids, generation.cache)
            generation.cache = None

    def step(self, wanted: "list[Generation[C]]") -> None:
        """Let those of `wanted` that can be served go on.

        Raises:
            EngineError: if a generation alone does not fit the memory.
        """
        for generation in wanted:
            self._admit(generation)
        able = [generation for generation in wanted if generation.cache is not None]
        while able:
            chosen, works = self._works(able)
            try:
                found = self._model.step(works)
            except OutOfMemory:
                able = self._make_room(able)
                continue
            self._take(chosen, works, found)
            return

    @property
    def held_tokens(self) -> int:
        """Count the tokens whose keys and values are in memory."""
        live = sum(generation.cache.length for generation in self._generations if generation.cache is not None)
        return live + self._prefixes.held_tokens

    def clear(self) -> None:
        """Free what is kept."""
        for generation in list(self._generations):
            self.remove(generation)
        self._prefixes.clear()

    def _admit(self, generation: Generation[C]) -> None:
        """Give a generation a cache, with the longest beginning that another has seen."""
        if generation.cache is not None or generation.is_finished or generation in self.waiting:
            return
        others = [(other.ids, other.cache) for other in self._generations if other.cache is not None]
        try:
            cache = self._prefixes.branch(generation.ids, others)
        except OutOfMemory:
            cache = None
        generation.begin(cache or self._model.new_cache())

    def _works(self, able: "list[Generation[C]]") -> "tuple[list[Generation[C]], list[Work[C]]]":
        """Choose: an id of each that decodes, and as much of the prompts as a step should have."""
        decoding = [generation for generation in able if generation.num_unseen == 1]
        reading = [generation for generation in able if generation.num_unseen > 1]
        room = min(_BESIDE_OTHERS, self._model.most_ids) if decoding else self._model.most_ids
        each = max(1, room // max(1, len(reading)))  # a short prompt need not wait for a long one
        works = [generation.work(1) for generation in decoding] + [generation.work(each) for generation in reading]
        return decoding + reading, works

    def _take(self, chosen: "list[Generation[C]]", works: "list[Work[C]]", found: "list[Tensor | None]") -> None:
        for generation, work, logits in zip(chosen, works, found, strict=True):
            if work.cache.length == generation.num_prompt:
                work.cache.mark()  # the next prompt is likely to leave what follows out
            if logits is not None:
                generation.take(logits)
            if generation.is_finished:
                self.remove(generation)

    def _make_room(self, able: "list[Generation[C]]") -> "list[Generation[C]]":
        """Let go of a kept prefix, or of the cache of the generation that came last."""
        if self._prefixes.drop_oldest():
            return able
        holding = [generation for generation in self._generations if generation.cache is not None]
        if len(holding) == 1:
            raise EngineError(
                f"a sequence of {len(holding[0].ids)} tokens does not fit the memory for keys and values; "
                "open the engine with more cache_tokens"
            )
        last = holding[-1]
        assert last.cache is not None
        last.cache.free()
        last.cache = None
        self.waiting.add(last)
        return [generation for generation in able if generation is not last]
