"""Values that questions are about, split so that those of the test never occur in training."""

import datetime
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from ostinato.training.phrasing import Split
from ostinato.training.words import CONSONANTS, VOWELS, WORDS

TEST_SHARE = 10  # one value in ten is kept for the test
ALWAYS_SHARED = 1000  # smaller numbers are too few to be split one by one; questions are split as a whole


def is_for_test(value: str) -> bool:
    """Whether this value is kept for the test: by its hash, so that the answer never changes."""
    return zlib.crc32(value.encode()) % TEST_SHARE == 0


@dataclass(frozen=True, slots=True)
class Values:
    """Draws values for one split."""

    rng: random.Random
    split: Split

    def _draw(self, make: Callable[[], str]) -> str:
        while is_for_test(value := make()) != self.split.new_values:
            pass
        return value

    def integer(self, low: int, high: int) -> int:
        """Draw an integer, its number of digits first, so that small ones are as frequent as large ones."""
        bound = self.rng.randint(max(low, 10 ** (len(str(max(abs(low), 1))) - 1)), high)
        digits = self.rng.randint(len(str(max(low, 1))), len(str(bound)))
        top = min(high, 10**digits - 1)
        bottom = max(low, 10 ** (digits - 1) if digits > 1 else low)
        if bottom > top or top < ALWAYS_SHARED:
            return self.rng.randint(low, top if top >= low else high)
        return int(self._draw(lambda: str(self.rng.randint(bottom, top))))

    def decimal(self, low: int, high: int) -> str:
        """Draw a number with one or two decimals."""
        fraction = self.rng.choice(["5", "25", "75", str(self.rng.randint(1, 9)), f"{self.rng.randint(1, 99):02d}"])
        return f"{self.integer(low, high)}.{fraction}"

    def word(self) -> str:
        """Draw a word: a real one, or a made-up one so that any word can be copied."""
        if self.rng.random() < 0.5:
            return self._draw(lambda: self.rng.choice(WORDS))
        return self._draw(self.made_up_word)

    def real_word(self) -> str:
        """Draw a word of the language."""
        return self._draw(lambda: self.rng.choice(WORDS))

    def made_up_word(self) -> str:
        """Make a pronounceable word that means nothing."""
        syllables = self.rng.choices([1, 2, 3, 4], weights=[1, 5, 4, 1])[0]
        word = "".join(self.rng.choice(CONSONANTS) + self.rng.choice(VOWELS) for _ in range(syllables))
        return word + self.rng.choice(["", "", "n", "r", "s", "t", "l", "m", "ck", "nd", "rt", "y"])

    def words(self, low: int, high: int) -> list[str]:
        """Draw between `low` and `high` different words, with at least one of the split's own."""
        count = self.rng.randint(low, high)
        drawn = [self.word()]
        while len(drawn) < count:
            word = self.word() if self.rng.random() < 0.6 else self.rng.choice(WORDS)
            if word not in drawn and (self.split.new_values or not is_for_test(word)):
                drawn.append(word)
        self.rng.shuffle(drawn)
        return drawn

    def integers(self, low: int, high: int, count_low: int, count_high: int) -> list[int]:
        """Draw a list of integers."""
        return [self.integer(low, high) for _ in range(self.rng.randint(count_low, count_high))]

    def date(self, first_year: int = 1900, last_year: int = 2100) -> datetime.date:
        """Draw a date."""
        days = (datetime.date(last_year, 12, 31) - datetime.date(first_year, 1, 1)).days

        def make() -> str:
            return str(datetime.date(first_year, 1, 1) + datetime.timedelta(days=self.rng.randint(0, days)))

        return datetime.date.fromisoformat(self._draw(make))

    def letter(self, word: str) -> str:
        """Draw a letter, mostly one that `word` contains."""
        return self.rng.choice(word if self.rng.random() < 0.8 else "abcdefghijklmnopqrstuvwxyz")
