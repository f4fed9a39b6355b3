"""Questions about words and sentences."""

from ostinato.training.kinds.kind import Kind, Slots, quoted
from ostinato.training.phrasing import Phrases
from ostinato.training.values import Values

WORD = "[the word|the string|the text|the name|] {q}"


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
    Kind(
        name="reverse",
        topic="strings",
        values=text,
        weight=1.3,
        phrases=Phrases(
            nouns=(
                "{q} backwards",
                "{q} reversed",
                "{q} in reverse",
                "the reverse of {q}",
                "the [word|string|text] {q} backwards",
                "the letters of {q} in reverse order",
                "{q} spelled backwards",
                "{q} written backwards",
                "~{q} from back to front",
                "~the mirror image of {q}",
            ),
            commands=(
                "reverse {q}",
                "reverse the [word|string|text|phrase] {q}",
                "write {q} backwards",
                "spell {q} backwards",
                "turn {q} around",
                "flip {q}",
                "reverse the letters of {q}",
                "reverse the characters in {q}",
                "print {q} in reverse",
                "~put the letters of {q} in the opposite order",
            ),
            sentences=(
                "how do you spell {q} backwards?",
                "how is {q} written backwards?",
                "what does {q} look like backwards?",
                "what do you get when you reverse {q}?",
                "~how does {q} read from right to left?",
            ),
        ),
        goal="a reversed text",
        thought='Reverse "{w}"',
        code='print("{w}"[::-1])',
        answer="Reversed: {out}",
    ),
    Kind(
        name="length",
        topic="strings",
        values=text,
        weight=1.2,
        phrases=Phrases(
            nouns=(
                "the length of {q}",
                "the number of [letters|characters] in {q}",
                "the number of characters of {q}",
                "the length of the [word|string|text] {q}",
                "the character count of {q}",
                "~the size of the string {q} in characters",
            ),
            commands=(
                "count the [letters|characters] in {q}",
                "count the [letters|characters] of {q}",
                "count how many [letters|characters] {q} has",
                "measure the length of {q}",
                "~report how long the text {q} is",
            ),
            sentences=(
                "how long is {q}?",
                "how long is the [word|string|text] {q}?",
                "how many [letters|characters] [does {q} have|are in {q}|are there in {q}|has {q}]?",
                "how many [letters|characters] does the [word|string] {q} [have|contain]?",
                "~of how many characters does {q} consist?",
            ),
        ),
        goal="the length of a text",
        thought='Measure "{w}"',
        code='len("{w}")',
        answer="The length is {out}.",
    ),
    Kind(
        name="count a letter",
        topic="strings",
        values=word_and_letter,
        weight=1.5,
        phrases=Phrases(
            nouns=("the number of times {qc} appears in {q}", "the number of {c}'s in {q}", "the count of {qc} in {q}", "~the frequency of {qc} in {q}"),
            commands=(
                "count {qc} in {q}",
                "count the {c}'s in {q}",
                "count how often {qc} [appears|occurs] in {q}",
                "count the [letter|number of] {c} in {q}",
                "count all {c}s in the word {q}",
                "~go through {q} and count each {c}",
            ),
            sentences=(
                "how many {c}'s are in {q}?",
                "how many {c}s are in {q}?",
                "how many {c}'s are there in {q}?",
                "how many times does {qc} [appear|occur] in {q}?",
                "how often does {qc} [appear|occur] in {q}?",
                "how many {c}'s does {q} have?",
                "how many times is {qc} in {q}?",
                "how many letters {c} are in [the word |]{q}?",
                "how many {c} in {q}?",
                "~how many times do you find {qc} in {q}?",
                "~if you look at {q}, how many {c}'s do you see?",
            ),
        ),
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
        phrases=Phrases(
            nouns=("{q} in [upper case|uppercase|capital letters|capitals|all caps]", "the uppercase [version|form] of {q}", "~{q} in big letters"),
            commands=(
                "convert {q} to [upper case|uppercase]",
                "write {q} in [upper case|uppercase|capital letters|capitals|all caps]",
                "make {q} [uppercase|upper case|all caps]",
                "turn {q} into [uppercase|capitals]",
                "uppercase {q}",
                "change {q} to [uppercase|capital letters]",
                "put {q} in capital letters",
                "~shout {q} in capitals",
            ),
            sentences=("how does {q} look in [uppercase|capital letters]?", "what is {q} in [uppercase|capitals]?", "~what does {q} look like when every letter is a capital?"),
        ),
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
        phrases=Phrases(
            nouns=("{q} in title case", "{q} with every word capitalized", "~the title form of {q}"),
            commands=(
                "capitalize every word in {q}",
                "capitalize each word of {q}",
                "write {q} in title case",
                "convert {q} to title case",
                "make every word in {q} start with a capital",
                "~give each word of {q} a capital letter",
            ),
            sentences=("how does {q} look in title case?", "what is {q} in title case?", "~what is {q} when all words begin with a capital?"),
        ),
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
        phrases=Phrases(
            nouns=("the number of vowels in {q}", "the vowel count of {q}", "~the amount of vowels {q} contains"),
            commands=(
                "count the vowels in {q}",
                "count how many vowels {q} has",
                "count the vowels of {q}",
                "count all vowels in the word {q}",
                "~go through {q} and count the vowels",
            ),
            sentences=(
                "how many vowels [are in {q}|does {q} have|are there in {q}|does {q} contain]?",
                "how many vowels does the word {q} have?",
                "how many of the letters in {q} are vowels?",
                "~how many times does a vowel show up in {q}?",
            ),
        ),
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
        phrases=Phrases(
            nouns=("the number of consonants in {q}", "the consonant count of {q}", "~the amount of consonants {q} contains"),
            commands=("count the consonants in {q}", "count how many consonants {q} has", "count the consonants of {q}", "~go through {q} and count the consonants"),
            sentences=(
                "how many consonants [are in {q}|does {q} have|are there in {q}]?",
                "how many of the letters in {q} are consonants?",
                "~how many times does a consonant show up in {q}?",
            ),
        ),
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
        phrases=Phrases(
            commands=(
                "check [if|whether] {q} is a palindrome",
                "test [if|whether] {q} is a palindrome",
                "tell me [if|whether] {q} is a palindrome",
                "~decide if {q} is palindromic",
            ),
            sentences=(
                "is {q} a palindrome?",
                "is the word {q} a palindrome?",
                "does {q} read the same backwards?",
                "does {q} read the same forwards and backwards?",
                "{q}: palindrome or not?",
                "~is {q} identical when reversed?",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "the {o} [letter|character] of {q}",
                "the {o} [letter|character] in {q}",
                "letter {n} of {q}",
                "the letter at position {n} [of|in] {q}",
                "the {o} letter in the word {q}",
                "~the character in place {n} of {q}",
            ),
            sentences=("which [letter|character] is at position {n} [in|of] {q}?", "which is the {o} letter of {q}?", "~which letter comes at place {n} in {q}?"),
        ),
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
        phrases=Phrases(
            nouns=("{q} with every {qc} replaced by {qd}", "{q} with all {c}'s changed to {d}'s", "~the word {q} with {qd} instead of {qc}"),
            commands=(
                "replace {qc} with {qd} in {q}",
                "replace every {qc} in {q} with {qd}",
                "replace all {c}'s in {q} by {d}",
                "change every {qc} to {qd} in {q}",
                "change all {c}'s to {d}'s in {q}",
                "swap {qc} for {qd} in {q}",
                "in {q}, replace {qc} with {qd}",
                "~write {q} but use {qd} instead of {qc}",
            ),
            sentences=("what do you get when you replace {qc} with {qd} in {q}?", "what is {q} if every {qc} becomes {qd}?", "~how does {q} look if each {c} turns into {d}?"),
        ),
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
        phrases=Phrases(
            nouns=("{q} without the letter {c}", "{q} without {qc}", "{q} with all {c}'s removed", "~{q} after dropping each {c}"),
            commands=(
                "remove [every|all] {qc} from {q}",
                "remove the letter {c} from {q}",
                "delete [every|all] {qc} [in|from] {q}",
                "strip {qc} from {q}",
                "take all {c}'s out of {q}",
                "~leave out every {c} in {q}",
            ),
            sentences=("what is left of {q} without the letter {c}?", "~what remains of {q} if the {c}'s go away?"),
        ),
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
        phrases=Phrases(
            nouns=("{q} repeated {n} times", "{q} {n} times", "{q} {n} times in a row", "~{n} copies of {q} stuck together"),
            commands=(
                "repeat {q} {n} times",
                "write {q} {n} times",
                "print {q} {n} times",
                "say {q} {n} times",
                "repeat the word {q} {n} times",
                "~put {q} {n} times one after the other",
            ),
            sentences=("what is {q} repeated {n} times?", "~what do you get if you write {q} {n} times without spaces?"),
        ),
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
        phrases=Phrases(
            nouns=(
                "the letters of {q} [sorted|in alphabetical order|sorted alphabetically|in order]",
                "the sorted letters of {q}",
                "~the alphabetical arrangement of the letters in {q}",
            ),
            commands=(
                "sort the letters of {q}",
                "sort the letters in {q} [alphabetically|]",
                "put the letters of {q} in alphabetical order",
                "order the letters of {q} alphabetically",
                "arrange the letters of {q} alphabetically",
                "~alphabetize the letters of {q}",
            ),
            sentences=("what are the letters of {q} in alphabetical order?", "~how do the letters of {q} look in abc order?"),
        ),
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
        phrases=Phrases(
            nouns=(
                "the number of [different|distinct|unique] letters in {q}",
                "the count of [different|distinct|unique] letters in {q}",
                "~the number of letters in {q} without repeats",
            ),
            commands=("count the [different|distinct|unique] letters in {q}", "count how many [different|distinct|unique] letters {q} has", "~count each letter of {q} only once"),
            sentences=("how many [different|distinct|unique] letters [does {q} have|are in {q}|are there in {q}]?", "~how many letters does {q} use, counting repeats once?"),
        ),
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
        phrases=Phrases(
            nouns=("the number of words in {q}", "the word count of {q}", "the number of words in the sentence {q}", "~the length of {q} in words"),
            commands=("count the words in {q}", "count how many words {q} has", "count the words of the [sentence|phrase|text] {q}", "~tell how many words make up {q}"),
            sentences=(
                "how many words [are in {q}|does {q} have|are there in {q}|does {q} contain]?",
                "how many words does the [sentence|phrase|text] {q} have?",
                "~of how many words does {q} consist?",
            ),
        ),
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
        phrases=Phrases(
            nouns=("the words of {q} in reverse order", "{q} with the words in reverse order", "{q} with the word order reversed", "~the words of {q} from last to first"),
            commands=(
                "reverse the word order of {q}",
                "reverse the order of the words in {q}",
                "put the words of {q} in reverse order",
                "write the words of {q} in reverse order",
                "reverse the words in {q}",
                "~write {q} starting with the last word and ending with the first",
            ),
            sentences=("what is {q} with its words in reverse order?", "~how does {q} read with the last word first?"),
        ),
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
        phrases=Phrases(
            nouns=("the acronym of {q}", "the initials of {q}", "the first letters of {q}", "the first letter of each word in {q}", "~the letters that start the words of {q}"),
            commands=(
                "make an acronym of {q}",
                "make an acronym from {q}",
                "take the first letter of each word in {q}",
                "form an acronym from {q}",
                "abbreviate {q} by its first letters",
                "~build the acronym for {q}",
            ),
            sentences=("what is the acronym for {q}?", "which acronym does {q} give?", "~with which letters do the words of {q} start?"),
        ),
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
        phrases=Phrases(
            nouns=("the longest word in {q}", "the longest word of {q}", "the longest word in the [sentence|phrase|text] {q}", "~the word with the most letters in {q}"),
            commands=("find the longest word in {q}", "find the longest word of the sentence {q}", "~pick the word of {q} that is longest"),
            sentences=("which word [in|of] {q} is [the |]longest?", "which is the longest word in {q}?", "~which of the words in {q} has the most letters?"),
        ),
        goal="the longest word",
        thought='Find the longest word of "{w}"',
        code='print(max("{w}".split(), key=len))',
        answer="The longest word is {out}.",
    ),
    Kind(
        name="join",
        topic="strings",
        values=two_words,
        weight=0.6,
        phrases=Phrases(
            nouns=(
                "{qv} and {qw} [joined|put together|concatenated|combined]",
                "the concatenation of {qv} and {qw}",
                "{qv} + {qw} as [text|strings]",
                "~the single string made of {qv} followed by {qw}",
            ),
            commands=(
                "concatenate {qv} and {qw}",
                "join {qv} and {qw}",
                "join the [words|strings] {qv} and {qw}",
                "put {qv} and {qw} together",
                "combine {qv} and {qw} into one word",
                "append {qw} to {qv}",
                "~glue {qv} and {qw} together",
            ),
            sentences=("what do you get when you [join|concatenate] {qv} and {qw}?", "~which string results from {qv} followed directly by {qw}?"),
        ),
        goal="two joined words",
        thought='Join "{v}" and "{w}"',
        code='print("{v}" + "{w}")',
        answer="Joined: {out}",
    ),
    Kind(
        name="same letters",
        topic="strings",
        weight=0.5,
        values=lambda v: (lambda w: {"v": (a := w if v.rng.random() < 0.5 else v.word()), "w": (b := "".join(v.rng.sample(w, len(w)))), "qv": quoted(a, v), "qw": quoted(b, v)})(
            v.word()
        ),
        phrases=Phrases(
            commands=(
                "check [if|whether] {qv} and {qw} are anagrams",
                "test [if|whether] {qv} is an anagram of {qw}",
                "tell me if {qv} and {qw} are anagrams",
                "~find out if {qv} can be rearranged to {qw}",
            ),
            sentences=(
                "are {qv} and {qw} anagrams?",
                "is {qv} an anagram of {qw}?",
                "do {qv} and {qw} have the same letters?",
                "~can the letters of {qv} be rearranged to spell {qw}?",
            ),
        ),
        goal="whether two words are anagrams",
        thought='Compare the letters of "{v}" and "{w}"',
        code='sorted("{v}") == sorted("{w}")',
        answer="{yes}",
    ),
)
