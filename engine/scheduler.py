"""Scheduler: many generations, one model, a step at a time.

Each step takes what every generation past its prompt has to see, an id mostly, and a piece of the prompts that are
being read: small while others wait for their next id, as large as pays when none does. A step with a piece takes many
times as long as one without, so those who decode have steps of their own in between, for a third of that time. Half of
the piece is for the prompt that came first, so that each is read in the end. The rest is for those that are nearest to
their end, so that a short one need not wait for a long one.

A generation begins as soon as there is memory for its prompt, in the order of arrival. It waits for another one that is
reading the same beginning. If memory runs out, kept prefixes are let go, then a generation has to wait: one whose
reader is late, or else the one that came last. It sees its ids again later. So the first of all always goes on.
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic

from torch import Tensor

from ostinato.engine.batch import C, Model, Outline, OutOfMemory, Work
from ostinato.engine.generation import Generation
from ostinato.engine.interface import EngineError
from ostinato.engine.marks import BACK
from ostinato.engine.prefix_cache import STRIDE, Match, PrefixCache, Seen

_BESIDE_OTHERS = 128  # ids of prompts in a step that others wait for
_OWN_TIME = 1 / 3  # of what steps with a piece take is for steps without
_FEW = 16  # ids that are no prompt to be read but part of decoding: what a grammar forced


@dataclass(slots=True, eq=False)
class _Served(Generic[C]):
    """A generation, and where marks are wanted in its prompt: at `places`, and an anchor at its end if it is new."""

    generation: Generation[C]
    seen: Seen[C]
    places: set[int] = field(default_factory=set)
    is_new: bool = True
    leader: "_Served[C] | None" = None
    parting: int = 0  # the place that the leader has to come to


class Scheduler(Generic[C]):
    """Decides what each step does. It is used by one thread.

    `waiting` are the generations that wait for memory, until another one is done. `failures` say why generations
    could not go on; who reads them removes them. `clock` tells the seconds that steps take.
    """

    def __init__(self, model: Model[C], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._clock = clock
        self._owed = 0.0  # seconds of steps without a piece of a prompt, to those who decode
        self._prefixes: PrefixCache[C] = PrefixCache()
        self._served: dict[Generation[C], _Served[C]] = {}  # in the order they came
        self.waiting: set[Generation[C]] = set()
        self.failures: dict[Generation[C], Exception] = {}

    def add(self, generation: Generation[C]) -> None:
        """Begin with a generation's cache, so that it can say what is cached; it may have to wait for memory.

        Raises:
            EngineError: if its prompt can never fit the memory.
        """
        needed, most = len(generation.ids) + 1, self._model.cache_tokens
        if needed > most and not generation.is_finished:
            raise EngineError(
                f"the prompt has {len(generation.ids)} tokens; the memory for keys and values holds {most}, "
                "answer included: open the engine with more cache_tokens, or on a machine with more free memory"
            )
        self._served[generation] = _Served(generation, Seen(generation.ids))
        self._admit([generation])

    def remove(self, generation: Generation[C]) -> None:
        """Let go of a generation, whatever it has come to, and keep what it has seen."""
        served = self._served.pop(generation, None)
        if served is None:
            return
        self.waiting.clear()
        generation.cache = None
        if served.seen.length:
            self._prefixes.keep(served.seen)
        elif served.seen.cache is not None:
            served.seen.cache.free()

    def step(self, wanted: Collection[Generation[C]]) -> None:
        """Let those of `wanted` that can be served go on; one that cannot is in `failures` then."""
        self._admit(wanted)
        while able := [self._served[each] for each in wanted if each in self._served and each.cache is not None]:
            decoding = [served for served in able if served.generation.num_unseen <= _FEW]
            reading = [served for served in able if served.generation.num_unseen > _FEW]
            if decoding and self._owed > 0:
                reading = []
            works = self._works(decoding, reading)
            begun = self._clock()
            try:
                found = self._model.step([work for _, work in works])
            except OutOfMemory:
                self._make_room(wanted)
                continue
            if decoding:
                seconds = self._clock() - begun
                self._owed = self._owed + seconds * _OWN_TIME if reading else max(0.0, self._owed - seconds)
            for (served, work), logits in zip(works, found, strict=True):
                self._take(served, work, logits)
            return

    def branch(self, ids: Sequence[int]) -> C | None:
        """Return a cache of the longest beginning of `ids` that was seen, for the caller to free; None if none was.

        Raises:
            OutOfMemory: if there is no room for it.
        """
        match = self._prefixes.find(Seen([*ids, 0]), [served.seen for served in self._served.values()])
        if match.seen is None or match.seen.cache is None:
            return None
        return match.seen.cache.branch(match.length)

    def restore(self, outline: Outline) -> C:
        """Return a cache whose buffers are to be filled, for the caller to `keep` or free.

        Raises:
            OutOfMemory: if there is no room for it, though all that was kept is let go.
            ValueError: if there is no such cache.
        """
        while True:
            cache = self._model.new_cache()
            try:
                cache.restore(outline)
                return cache
            except OutOfMemory:
                cache.free()
                if not self._prefixes.drop_oldest():
                    raise

    def keep(self, ids: Sequence[int], cache: C) -> None:
        """Keep a cache that has seen `ids` for the prompts that begin with them."""
        self._prefixes.keep(Seen(ids, cache))

    @property
    def held_tokens(self) -> int:
        """Count the tokens whose keys and values are in memory."""
        return sum(served.seen.length for served in self._served.values()) + self._prefixes.held_tokens

    def clear(self) -> None:
        """Free what is kept."""
        for generation in list(self._served):
            self.remove(generation)
        self._prefixes.clear()

    def _admit(self, generations: Iterable[Generation[C]]) -> None:
        """Give generations their caches, in the order they came, as long as there is memory."""
        for generation in generations:
            is_begun = generation.cache is not None or generation.is_finished
            if is_begun or generation not in self._served or generation in self.waiting:
                continue
            if self.waiting:
                self.waiting.add(generation)  # none is overtaken
            elif not self._is_following(self._served[generation]):
                self._begin(self._served[generation])

    def _is_following(self, served: _Served[C]) -> bool:
        """Say whether the leader is still on its way to where the two part."""
        leader = served.leader
        if leader is None or leader.generation not in self._served or leader.seen.cache is None:
            return False
        return leader.seen.length < served.parting

    def _begin(self, served: _Served[C]) -> None:
        """Give a generation a cache with the longest beginning that another has seen, or let it wait."""
        generation = served.generation
        while True:
            match = self._prefixes.find(served.seen, [other.seen for other in self._served.values()])
            if match.leader is not None:
                self._follow(served, match)
                return
            try:
                cache = self._reserved(match, len(generation.ids) + 1)
            except OutOfMemory:
                if self._prefixes.drop_oldest():
                    continue
                self._wait(served)
                return
            served.seen.cache = cache
            served.is_new = not match.is_whole
            served.places = {match.parting} - {0}
            if len(generation.ids) > generation.num_prompt + BACK:  # a mark at the end would not serve the prompt
                served.places.add(generation.num_prompt - generation.num_prompt % STRIDE)
            generation.begin(cache)
            return

    def _follow(self, served: _Served[C], match: Match[C]) -> None:
        """Let a generation wait for the one that reads the same, which marks where the two part."""
        leader = next(other for other in self._served.values() if other.seen is match.leader)
        leader.places.add(match.parting)
        served.leader, served.parting = leader, match.parting

    def _reserved(self, match: Match[C], length: int) -> C:
        """Return a cache with what was found, and with memory for `length` tokens.

        Raises:
            OutOfMemory: if there is not enough; what was kept is kept then.
        """
        cache = self._model.new_cache() if match.seen is None else self._prefixes.take(match)
        try:
            cache.reserve(length)
        except OutOfMemory:
            if match.seen is not None and cache is match.seen.cache:
                self._prefixes.keep(match.seen)
            else:
                cache.free()
            raise
        return cache

    def _works(self, decoding: "list[_Served[C]]", reading: "list[_Served[C]]") -> "list[tuple[_Served[C], Work[C]]]":
        """Choose: all that those who decode have to see, and as much of the prompts as a step should have."""
        room = min(_BESIDE_OTHERS, self._model.most_ids) if decoding else self._model.most_ids
        is_alone = len(decoding) == 1 and not reading  # several sequences fill a step as guesses of one do
        most_guesses = self._model.most_guesses if is_alone else 0
        works = [(served, served.generation.work(_FEW, most_guesses=most_guesses)) for served in decoding]
        for_first = room // 2 if len(reading) > 1 else room
        for served in sorted(reading[1:], key=lambda served: served.generation.num_unseen):
            if room - for_first < STRIDE:
                break
            works.append((served, self._piece(served, room - for_first)))
            room -= len(works[-1][1].ids)
        return works + [(served, self._piece(served, room)) for served in reading[:1]]

    def _piece(self, served: _Served[C], most: int) -> Work[C]:
        """Return what a generation sees of its prompt in this step: `most` ids, and no more than up to a mark."""
        num_seen = served.seen.length
        stops = [place - num_seen for place in served.places if place > num_seen]
        return served.generation.work(min([most, *stops]))

    def _take(self, served: _Served[C], work: Work[C], logits: Tensor | None) -> None:
        generation, length = served.generation, work.cache.length
        if length - len(work.ids) < generation.num_prompt <= length:
            work.cache.mark(is_anchor=served.is_new)  # the next prompt is likely to leave what follows out
        elif length in served.places:
            work.cache.mark(is_anchor=True)
        try:
            if logits is not None:
                generation.take(logits, work.guesses)
        except Exception as error:  # whatever it is, it is this reader's alone
            self._fail(generation, error)
        if generation.is_finished:
            self.remove(generation)

    def _make_room(self, wanted: Collection[Generation[C]]) -> None:
        """Let go of a kept prefix, or of the cache of a generation whose reader is late, or that came last."""
        if self._prefixes.drop_oldest():
            return
        holding = [served for served in self._served.values() if served.seen.cache is not None]
        late = [served for served in holding if served.generation not in wanted]
        self._wait([*holding, *late][-1])

    def _wait(self, served: _Served[C]) -> None:
        """Take back what memory a generation has, until another one is done; without another it has failed."""
        generation = served.generation
        if served.seen.cache is not None:
            served.seen.cache.free()
        served.seen.cache = generation.cache = None
        if any(other.seen.cache is not None for other in self._served.values()):
            self.waiting.add(generation)
            return
        complaint = f"a sequence of {len(generation.ids)} tokens does not fit the memory for keys and values"
        self._fail(generation, EngineError(f"{complaint}; open the engine with more cache_tokens, or free memory"))

    def _fail(self, generation: Generation[C], error: Exception) -> None:
        self.failures[generation] = error
        self.remove(generation)
