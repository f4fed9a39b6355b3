from random import Random

import numpy as np
import pytest

from ostinato.engine.batch import OutOfMemory
from ostinato.engine.pages import PAGE, PagedCache, PagePool

WINDOW = 128


def new_pools(limit: int = 5000) -> tuple[PagePool, PagePool]:
    return PagePool(64, limit=limit), PagePool(64, limit=limit)


def advanced(cache: PagedCache, count: int) -> PagedCache:
    cache.reach(cache.length + count)
    cache.advance(count)
    return cache


@pytest.mark.parametrize("seed", range(30))
def test_whatever_sequences_do_every_page_they_see_is_there_and_comes_back(seed: int) -> None:
    source = Random(seed)
    full, sliding = new_pools()
    before = full.num_free, sliding.num_free
    live = [PagedCache(full, sliding, window=WINDOW)]
    for _ in range(60):
        cache = source.choice(live)
        match source.choice(["advance", "advance", "mark", "reserve", "trim", "branch", "free"]):
            case "advance":
                advanced(cache, source.randrange(1, 200))
            case "mark":
                cache.mark(is_anchor=source.random() < 0.5)
            case "reserve":
                cache.reserve(cache.length + source.randrange(300))
            case "trim":
                cache.reach(cache.length + source.randrange(100))
                cache.trim()
            case "branch" if cache.length and (length := cache.branching_point(source.randint(1, cache.length))):
                live.append(cache.branch(length))
                assert live[-1].length == length
            case "free" if len(live) > 1:
                live.remove(cache)
                cache.free()
        for each in live:
            assert sees_all(each)
    for each in live:
        each.free()
    assert (full.num_free, sliding.num_free) == before


def test_full_pages_are_shared_and_the_last_one_is_copied() -> None:
    full, sliding = new_pools()
    cache = advanced(PagedCache(full, sliding, window=WINDOW), 3 * PAGE + 5)

    branch = cache.branch(3 * PAGE + 5)

    shared = cache.full_addresses[:4] == branch.full_addresses[:4]
    assert shared.tolist() == [True, True, True, False]


def test_pages_out_of_the_window_are_let_go_unless_a_mark_keeps_them() -> None:
    full, sliding = new_pools()
    cache = advanced(PagedCache(full, sliding, window=WINDOW), 200)
    cache.mark()
    for _ in range(20):
        advanced(cache, 100)

    assert sliding.limit - sliding.num_free <= 2 * (WINDOW // PAGE + 4) + PAGE
    assert cache.branching_point(300) == 200
    assert cache.branching_point(199) == 199  # the same prompt again, whose last token is seen anew
    assert cache.branching_point(150) == 0
    assert cache.branching_point(2200) == 2200


def test_memory_that_runs_out_is_said_and_leaves_the_sequence_as_it_was() -> None:
    full, sliding = new_pools(limit=4)
    cache = advanced(PagedCache(full, sliding, window=WINDOW), 2 * PAGE)

    with pytest.raises(OutOfMemory):
        cache.reach(5 * PAGE)
    while full.num_free:
        cache.branch(2 * PAGE - 1)
    with pytest.raises(OutOfMemory):
        cache.branch(2 * PAGE - 1)

    assert cache.length == 2 * PAGE
    assert sees_all(cache)


def test_no_memory_is_taken_that_the_system_does_not_have() -> None:
    asked: list[int] = []

    def has_room(size: int) -> bool:
        asked.append(size)
        return len(asked) < 3

    pool = PagePool(64, limit=5000, has_room=has_room)
    for _ in range(2 * 32):
        pool.take()
    with pytest.raises(OutOfMemory):
        pool.take()

    assert asked == [32 * 64] * 3


def sees_all(cache: PagedCache) -> bool:
    """Say whether every page that the next token sees has an address."""
    pages = -(-cache.length // PAGE)
    first = max(0, cache.length - WINDOW + 1) // PAGE
    return bool(np.all(cache.full_addresses[:pages]) and np.all(cache.sliding_addresses[first:pages]))
