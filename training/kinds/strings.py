"""Questions about words and sentences."""

from ostinato.training.kinds.kind import Kind, Slots, quoted
from ostinato.training.values import Values


def word(values: Values) -> Slots:
    """Draw a word `w`; `q` is how the question shows it."""
    w = values.word()
    if values.rng.random() < 0.12:
        w = w.capitalize()
    return {"w": w, "q": quoted(w, values)}


def text(values: Values) -> Slots:
    """Draw a word or a short sentence, which the question quotes."""
    w = values.word() if values.rng.random() < 0.4 else " ".join(values.words(2, 6))
    return {"w": w, "q": f'"{w}"' if values.rng.random() < 0.7 else f"'{w}'"}


def sentence(values: Values) -> Slots:
    """Draw a sentence of several words."""
    w = " ".join(values.words(2, 9))
    if values.rng.random() < 0.4:
        w = w.capitalize()
    return {"w": w, "q": f'"{w}"' if values.rng.random() < 0.7 else f"'{w}'"}


def word_and_letter(values: Values) -> Slots:
    """Draw a word and a letter to look for."""
    slots = dict(word(values))
    letter = values.letter(slots["w"].lower())
    slots["c"] = letter
    slots["qc"] = values.rng.choice([letter, letter, f'"{letter}"', f"'{letter}'", f"the letter {letter}"])
    return slots


def two_letters(values: Values) -> Slots:
    """Draw a word, a letter of it, and a letter to put in its place."""
    slots = dict(word(values))
    old = values.rng.choice(slots["w"].lower())
    new = values.rng.choice([letter for letter in "abcdefghijklmnopqrstuvwxyz" if letter != old])
    mark = values.rng.choice(["", '"', "'"])
    return {**slots, "c": old, "d": new, "qc": f"{mark}{old}{mark}", "qd": f"{mark}{new}{mark}"}


def word_and_count(values: Values) -> Slots:
    """Draw a word and a small number."""
    return {**word(values), "n": str(values.rng.randint(2, 9))}


def word_and_place(values: Values) -> Slots:
    """Draw a word and a place in it, counted from one."""
    slots = dict(word(values))
    place = values.rng.randint(1, len(slots["w"]))
    ordinal = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}.get(place, f"{place}th")
    return {**slots, "n": str(place), "o": values.rng.choice([ordinal, ordinal, f"{place}th" if place > 3 else ordinal])}


def two_words(values: Values) -> Slots:
    """Draw two words."""
    v, w = values.words(2, 2)
    mark = values.rng.choice(['"', '"', "'", ""])
    return {"v": v, "w": w, "qv": f"{mark}{v}{mark}", "qw": f"{mark}{w}{mark}"}


STRINGS = (
    Kind(name="reverse", topic="strings", values=text, weight=1.3, goal="a reversed text", thought='Reverse "{w}"', code='print("{w}"[::-1])', answer="Reversed: {out}"),
    Kind(name="length", topic="strings", values=text, weight=1.2, goal="the length of a text", thought='Measure "{w}"', code='len("{w}")', answer="The length is {out}."),
    Kind(
        name="count a letter",
        topic="strings",
        values=word_and_letter,
        weight=1.5,
        goal="how often a letter occurs",
        thought='Count "{c}" in "{w}"',
        code='"{w}".lower().count("{c}")',
        answer="It occurs {out} times.",
    ),
    Kind(
        name="upper case",
        topic="strings",
        values=text,
        weight=0.9,
        goal="a text in capitals",
        thought='Put "{w}" in upper case',
        code='print("{w}".upper())',
        answer="In upper case: {out}",
    ),
    Kind(
        name="title case",
        topic="strings",
        values=sentence,
        weight=0.5,
        goal="a text in title case",
        thought='Put "{w}" in title case',
        code='print("{w}".title())',
        answer="In title case: {out}",
    ),
    Kind(
        name="vowels",
        topic="strings",
        values=text,
        weight=0.9,
        goal="the number of vowels",
        thought='Count the vowels in "{w}"',
        code='sum(c in "aeiou" for c in "{w}".lower())',
        answer="It has {out} vowels.",
    ),
    Kind(
        name="consonants",
        topic="strings",
        values=text,
        weight=0.5,
        goal="the number of consonants",
        thought='Count the consonants in "{w}"',
        code='sum(c.isalpha() and c not in "aeiou" for c in "{w}".lower())',
        answer="It has {out} consonants.",
    ),
    Kind(
        name="palindrome",
        topic="strings",
        values=lambda v: word(v) if v.rng.random() < 0.6 else (lambda h: {"w": h + h[::-1], "q": quoted(h + h[::-1], v)})(v.made_up_word()),
        weight=0.8,
        goal="whether a word is a palindrome",
        thought='Compare "{w}" with its reverse',
        code='"{w}".lower() == "{w}".lower()[::-1]',
        answer="{yes}",
    ),
    Kind(
        name="letter at",
        topic="strings",
        values=word_and_place,
        weight=0.8,
        goal="one letter of a word",
        thought='Take letter {n} of "{w}"',
        code='print("{w}"[{n} - 1])',
        answer="The letter is {out}.",
    ),
    Kind(
        name="replace a letter",
        topic="strings",
        values=two_letters,
        weight=1.0,
        goal="a text with a letter replaced",
        thought='Replace "{c}" by "{d}" in "{w}"',
        code='print("{w}".replace("{c}", "{d}"))',
        answer="The text becomes: {out}",
    ),
    Kind(
        name="remove a letter",
        topic="strings",
        values=two_letters,
        weight=0.6,
        goal="a text without a letter",
        thought='Remove "{c}" from "{w}"',
        code='print("{w}".replace("{c}", ""))',
        answer="What remains: {out}",
    ),
    Kind(
        name="repeat",
        topic="strings",
        values=word_and_count,
        weight=0.7,
        goal="a repeated text",
        thought='Repeat "{w}" {n} times',
        code='print("{w}" * {n})',
        answer="Repeated: {out}",
    ),
    Kind(
        name="sort letters",
        topic="strings",
        values=word,
        weight=0.8,
        goal="sorted letters",
        thought='Sort the letters of "{w}"',
        code='print("".join(sorted("{w}")))',
        answer="Sorted: {out}",
    ),
    Kind(
        name="distinct letters",
        topic="strings",
        values=word,
        weight=0.6,
        goal="the number of different letters",
        thought='Count the different letters of "{w}"',
        code='len(set("{w}".lower()))',
        answer="It has {out} different letters.",
    ),
    Kind(
        name="count words",
        topic="strings",
        values=sentence,
        weight=0.9,
        goal="the number of words",
        thought='Count the words of "{w}"',
        code='len("{w}".split())',
        answer="It has {out} words.",
    ),
    Kind(
        name="reverse words",
        topic="strings",
        values=sentence,
        weight=0.6,
        goal="words in reverse order",
        thought='Reverse the words of "{w}"',
        code='print(" ".join("{w}".split()[::-1]))',
        answer="In reverse order: {out}",
    ),
    Kind(
        name="acronym",
        topic="strings",
        values=sentence,
        weight=0.6,
        goal="an acronym",
        thought='Take the first letters of "{w}"',
        code='print("".join(x[0].upper() for x in "{w}".split()))',
        answer="The acronym is {out}.",
    ),
    Kind(
        name="longest word",
        topic="strings",
        values=sentence,
        weight=0.7,
        goal="the longest word",
        thought='Find the longest word of "{w}"',
        code='print(max("{w}".split(), key=len))',
        answer="The longest word is {out}.",
    ),
    Kind(name="join", topic="strings", values=two_words, weight=0.6, goal="two joined words", thought='Join "{v}" and "{w}"', code='print("{v}" + "{w}")', answer="Joined: {out}"),
    Kind(
        name="same letters",
        topic="strings",
        weight=0.5,
        values=lambda v: (lambda w: {"v": (a := w if v.rng.random() < 0.5 else v.word()), "w": (b := "".join(v.rng.sample(w, len(w)))), "qv": quoted(a, v), "qw": quoted(b, v)})(
            v.word()
        ),
        goal="whether two words are anagrams",
        thought='Compare the letters of "{v}" and "{w}"',
        code='sorted("{v}") == sorted("{w}")',
        answer="{yes}",
    ),
)
