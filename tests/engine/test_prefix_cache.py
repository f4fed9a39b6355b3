"""What a prompt shares with the sequences that were seen before."""

from collections.abc import Sequence
from random import Random

import pytest

from ostinato.engine.pages import PAGE, PagedCache, PagePool
from ostinato.engine.prefix_cache import PrefixCache, Seen

WINDOW = 64
BEGINNING = list(range(400))


@pytest.fixture
def pools() -> tuple[PagePool, PagePool]:
    return PagePool(64, limit=5000), PagePool(64, limit=5000)


def seen_by(pools: tuple[PagePool, PagePool], ids: Sequence[int], *, marks: Sequence[int] = ()) -> Seen[PagedCache]:
    """Return a sequence that was seen piece by piece, with marks."""
    cache = PagedCache(*pools, window=WINDOW)
    for place in sorted({*marks, *range(PAGE, len(ids), PAGE), len(ids)}):
        cache.reach(place)
        cache.advance(place - cache.length)
        if place in marks:
            cache.mark()
    return Seen(ids, cache)


@pytest.mark.parametrize("seed", range(20))
def test_the_longest_beginning_is_found_whoever_has_seen_it(seed: int, pools: tuple[PagePool, PagePool]) -> None:
    source = Random(seed)
    prefixes = PrefixCache[PagedCache]()
    everyone, live = [], []
    for _ in range(30):
        ids = [*BEGINNING[: source.randrange(0, 300)], *source.choices(range(3), k=source.randrange(1, 100))]
        seen = seen_by(pools, ids, marks=[source.randrange(1, len(ids) + 1)])
        everyone.append(seen)
        if source.random() < 0.5:
            prefixes.keep(seen)
        else:
            live.append(seen)

    for _ in range(50):
        ids = [*BEGINNING[: source.randrange(0, 300)], *source.choices(range(3), k=source.randrange(1, 100))]
        match = prefixes.find(Seen(ids), live)

        points = [each.cache.branching_point(shared(ids[:-1], each.array.tolist())) for each in everyone if each.cache]
        assert match.length == max(points)
        assert (match.seen is None) == (match.length == 0)


def test_a_prompt_that_goes_on_from_a_kept_sequence_takes_it_as_it_is(pools: tuple[PagePool, PagePool]) -> None:
    prefixes = PrefixCache[PagedCache]()
    kept = seen_by(pools, BEGINNING)
    prefixes.keep(kept)
    before = [pool.num_taken for pool in pools]

    match = prefixes.find(Seen([*BEGINNING, 7, 8]), [])

    assert match.is_whole
    assert prefixes.take(match) is kept.cache
    assert len(prefixes) == 0
    assert [pool.num_taken for pool in pools] == before


def test_a_prompt_that_parts_from_a_kept_sequence_leaves_it(pools: tuple[PagePool, PagePool]) -> None:
    prefixes = PrefixCache[PagedCache]()
    prefixes.keep(seen_by(pools, BEGINNING, marks=[200]))

    match = prefixes.find(Seen([*BEGINNING[:230], 1, 1]), [])

    assert prefixes.take(match).length == 200
    assert len(prefixes) == 1


def test_where_two_prompts_part_is_told_if_none_can_branch_off_there(pools: tuple[PagePool, PagePool]) -> None:
    prefixes = PrefixCache[PagedCache]()
    prefixes.keep(seen_by(pools, BEGINNING))

    match = prefixes.find(Seen([*BEGINNING[:210], 1, 1]), [])

    assert (match.length, match.parting, match.leader) == (0, 192, None)


def test_a_sequence_that_is_about_to_see_more_of_a_prompt_leads(pools: tuple[PagePool, PagePool]) -> None:
    leader = seen_by(pools, BEGINNING[:64])
    leader = Seen(BEGINNING, leader.cache)

    match = PrefixCache[PagedCache]().find(Seen([*BEGINNING[:210], 1, 1]), [leader])

    assert (match.length, match.parting, match.leader) == (64, 192, leader)
    assert PrefixCache[PagedCache]().find(Seen([*BEGINNING[:100], 1, 1]), [leader]).leader is None  # not worth it


def test_no_more_sequences_are_kept_than_may_be(pools: tuple[PagePool, PagePool]) -> None:
    prefixes = PrefixCache[PagedCache](most=3)

    for number in range(10):
        prefixes.keep(seen_by(pools, [number, *BEGINNING]))

    assert len(prefixes) == 3
    assert prefixes.find(Seen([6, 0, 1, 2]), []).length == 0
    assert prefixes.find(Seen([7, *BEGINNING, 1]), []).length == 401
    prefixes.clear()
    assert [pool.num_taken for pool in pools] == [0, 0]


def test_a_thousand_turns_leave_no_more_than_the_conversation_needs(pools: tuple[PagePool, PagePool]) -> None:
    """Each run rewinds to the prompt it began with, as when its reasoning is dropped; each turn goes on."""
    prefixes = PrefixCache[PagedCache](most=2)
    ids, run_began = list(BEGINNING), len(BEGINNING)
    for turn in range(1000):
        if turn % 10 == 0:
            ids = [*ids[:run_began], *(turn + 500 for _ in range(10))]
        match = prefixes.find(Seen([*ids, -1]), [])
        cache = prefixes.take(match) if match.seen else PagedCache(*pools, window=WINDOW)
        cache.reach(len(ids))
        cache.advance(len(ids) - cache.length)
        cache.mark(is_anchor=not match.is_whole)
        if turn % 10 == 0:
            run_began = len(ids)
        assert turn % 10 or turn == 0 or match.length == len(ids) - 10
        ids += [turn] * 20
        cache.reach(len(ids))
        cache.advance(20)
        prefixes.keep(Seen(ids, cache))

    full, sliding = pools
    pages = len(ids) // PAGE + 1
    assert full.num_taken <= pages + 20
    assert sliding.num_taken <= 40 * (WINDOW // PAGE + 3)
    prefixes.clear()
    assert (full.num_taken, sliding.num_taken) == (0, 0)


def shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Count the ids that two sequences begin with alike."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((index for index, (one, two) in pairs if one != two), min(len(first), len(second)))
