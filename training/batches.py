"""Batches: episodes packed into rows of one length, and the copying exercises of the first part of the training."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.harmony import Tokenizer, render_training
from ostinato.training.episodes import Episode, episodes
from ostinato.training.phrasing import Split

ROW = 256  # tokens in a row; an episode that is longer is left out
HIDDEN = -1e9
POOL = 64  # episodes to choose from when filling a row


@dataclass(frozen=True, slots=True)
class Document:
    """Ids to learn from, with a 1 in `mask` for each that is to be predicted."""

    ids: list[int]
    mask: list[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of documents: `ids` and `mask` are [rows, tokens].

    `near` and `far` are added to attention scores, [rows, tokens, tokens]: 0 where a token sees another, within the
    sliding window or at all, and a large negative number where it does not.
    """

    ids: Tensor
    mask: Tensor
    near: Tensor
    far: Tensor


def document_of(episode: Episode, tokenizer: Tokenizer) -> Document:
    """Render an episode to learn from."""
    ids, mask = render_training(episode.messages, tokenizer)
    return Document(ids, mask)


def documents(rng: random.Random, split: Split, tokenizer: Tokenizer) -> Iterator[Document]:
    """Render episodes without end."""
    for episode in episodes(rng, split):
        document = document_of(episode, tokenizer)
        if len(document.ids) <= ROW:
            yield document


def copying(rng: random.Random, tokenizer: Tokenizer) -> Iterator[Document]:
    """Make rows of random strings that come again later in another order: to predict them is to look them up.

    Copying is the skill that names, numbers and results rest on, and it appears far sooner with this exercise.
    """
    ordinary = [number for number in range(tokenizer.vocab_size) if not tokenizer.is_special(number)]
    digits = [tokenizer.encode(digit)[0] for digit in "0123456789"]
    while True:
        strings = [
            rng.choices(digits if rng.random() < 0.4 else ordinary, k=rng.randint(4, 12))
            for _ in range(rng.randint(3, 9))
        ]
        ids, mask, seen = [], [], set()
        for _ in range(40):
            index = rng.randrange(len(strings))
            string = strings[index]
            ids += [tokenizer.start, *string]
            # The first two tokens say which string it is; only what follows can be known.
            mask += [0, 0, 0, *([1] * (len(string) - 2))] if index in seen else [0] * (len(string) + 1)
            seen.add(index)
        yield Document(ids[:ROW], mask[:ROW])


def packed_rows(source: Iterator[Document]) -> Iterator[list[Document]]:
    """Fill rows from a pool: of the documents that still fit, the longest comes next."""
    pool = [next(source) for _ in range(POOL)]
    while True:
        row: list[Document] = []
        room = ROW
        while fitting := [index for index, document in enumerate(pool) if len(document.ids) <= room]:
            best = max(fitting, key=lambda index: len(pool[index].ids)) if row else fitting[0]
            document = pool.pop(best)
            pool.append(next(source))
            row.append(document)
            room -= len(document.ids)
        yield row


def make_batch(rows: list[list[Document]], window: int) -> Batch:
    """Lay rows of documents out as tensors."""
    ids, mask, number = (torch.zeros(len(rows), ROW, dtype=torch.long) for _ in range(3))
    for r, row in enumerate(rows):
        start = 0
        for index, document in enumerate(row, start=1):
            stop = start + len(document.ids)
            ids[r, start:stop] = torch.tensor(document.ids)
            mask[r, start:stop] = torch.tensor(document.mask)
            number[r, start:stop] = index
            start = stop
    place = torch.arange(ROW)
    distance = place[:, None] - place
    seen = (number[:, :, None] == number[:, None, :]) & (distance >= 0)
    far = torch.where(seen, 0.0, HIDDEN)
    return Batch(ids=ids, mask=mask, near=torch.where(distance < window, far, HIDDEN), far=far)
