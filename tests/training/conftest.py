import pytest

from ostinato.engine import nano
from ostinato.harmony import Tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(nano.folder() / "vocabulary.json")
