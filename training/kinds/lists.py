"""Questions about lists of numbers and of words."""

from collections.abc import Callable

from ostinato.training.kinds.kind import Kind, Slots, shown_list
from ostinato.training.phrasing import Phrases
from ostinato.training.values import Values

NUMBERS = "[the numbers|the list|these numbers:|] {q}"


def numbers(low: int = 0, high: int = 999, most: int = 8) -> Callable[[Values], Slots]:
    """Draw a list of integers: `xs` is the code, `q` is how the question shows it."""

    def draw(values: Values) -> Slots:
        top = values.rng.choice([9, 20, 99, 100, high])
        xs = [str(x) for x in values.integers(low, min(top, high), 3, most)]
        if values.rng.random() < 0.1:
            xs = [f"-{x}" if values.rng.random() < 0.3 and x != "0" else x for x in xs]
        return {"xs": f"[{', '.join(xs)}]", "q": shown_list(xs, values)}

    return draw


def repeated(values: Values) -> Slots:
    """Draw a list in which numbers occur more than once."""
    few = [str(values.integer(0, 99)) for _ in range(values.rng.randint(2, 4))]
    xs = [values.rng.choice(few) for _ in range(values.rng.randint(4, 9))]
    return {"xs": f"[{', '.join(xs)}]", "q": shown_list(xs, values), "x": values.rng.choice(xs)}


def words(values: Values) -> Slots:
    """Draw a list of words."""
    ws = values.words(3, 6)
    quoted = [f'"{w}"' for w in ws]
    shown = shown_list(quoted if values.rng.random() < 0.15 else ws, values)
    return {"ws": f"[{', '.join(quoted)}]", "q": shown}


LISTS = (
    Kind(
        name="sort numbers",
        topic="lists",
        values=numbers(),
        weight=1.3,
        phrases=Phrases(
            nouns=("the sorted list of {q}", "the numbers {q} [sorted|in order|in ascending order|in increasing order]", "{q} sorted", "~{q} from smallest to largest"),
            commands=(
                "sort {q}",
                f"sort {NUMBERS}",
                "sort the list {q}",
                "order the numbers {q}",
                "sort these numbers: {q}",
                "sort the numbers {q} in ascending order",
                "put {q} in [order|ascending order|increasing order]",
                "arrange {q} in ascending order",
                "~rank {q} from low to high",
            ),
            sentences=("what is the sorted order of {q}?", "how do you sort {q}?", "~in which order do {q} come from small to large?"),
        ),
        goal="a sorted list",
        thought="Sort {xs}",
        code="sorted({xs})",
        answer="Sorted: {out}",
    ),
    Kind(
        name="sort descending",
        topic="lists",
        values=numbers(),
        weight=0.9,
        phrases=Phrases(
            nouns=("{q} in descending order", "{q} from [largest|biggest|highest] to [smallest|lowest]", "the numbers {q} in descending order", "~{q} in falling order"),
            commands=(
                "sort {q} in descending order",
                "sort {q} descending",
                "sort {q} from [largest|biggest|highest|high] to [smallest|lowest|low]",
                "order {q} from [largest|high] to [smallest|low]",
                "arrange {q} in descending order",
                "put {q} in [descending|decreasing] order",
                "reverse sort {q}",
                "~rank {q} with the biggest first",
            ),
            sentences=("what is {q} in descending order?", "~how do {q} line up with the largest at the front?"),
        ),
        goal="a list sorted from the largest down",
        thought="Sort {xs} from the largest down",
        code="sorted({xs}, reverse=True)",
        answer="Sorted: {out}",
    ),
    Kind(
        name="sum of a list",
        topic="lists",
        values=numbers(high=9999),
        weight=1.3,
        phrases=Phrases(
            nouns=("the sum of {q}", "the total of {q}", f"the sum of {NUMBERS}", "the sum of these numbers: {q}", "the sum of the list {q}", "~the grand total for {q}"),
            commands=("add [up |]{q}", "sum [up |]{q}", "add up these numbers: {q}", "add the numbers {q}", "sum the list {q}", "total {q}", "~tally up {q}"),
            sentences=(
                "what do {q} add up to?",
                "what do you get when you add {q}?",
                "i spent {q} [dollars|euros]. how much [is that |did i spend ]in total?",
                "~my expenses are {q}. what do they come to?",
            ),
        ),
        goal="the sum of a list",
        thought="Add {xs}",
        code="sum({xs})",
        answer="The sum is {out}.",
    ),
    Kind(
        name="mean",
        topic="lists",
        values=numbers(high=9999),
        weight=1.2,
        phrases=Phrases(
            nouns=(
                "the [average|mean] of {q}",
                f"the [average|mean] of {NUMBERS}",
                "the arithmetic mean of {q}",
                "the average of these numbers: {q}",
                "the [average|mean] value of {q}",
                "~the typical value of {q} as a mean",
            ),
            commands=("average {q}", "[take|compute|calculate] the [mean|average] of {q}", "average these numbers: {q}", "~average out {q}"),
            sentences=(
                "what do {q} average to?",
                "my [grades|scores|marks] are {q}. what is my average?",
                "what is {q} on average?",
                "~what is the average when the values are {q}?",
            ),
        ),
        goal="an average",
        thought="Take the average of {xs}",
        code="import statistics\nround(statistics.mean({xs}), 4)",
        answer="The average is {out}.",
    ),
    Kind(
        name="median",
        topic="lists",
        values=numbers(),
        weight=0.9,
        phrases=Phrases(
            nouns=(
                "the median of {q}",
                f"the median of {NUMBERS}",
                "the median value of {q}",
                "the middle value of {q}",
                "the median of the list {q}",
                "~the value in the middle of {q} when sorted",
            ),
            commands=("take the median of {q}", "find the median in {q}", "~locate the median in the data {q}"),
            sentences=("which number is the median of {q}?", "what is the median of {q}?", "~which value splits {q} in half?"),
        ),
        goal="a median",
        thought="Take the median of {xs}",
        code="import statistics\nstatistics.median({xs})",
        answer="The median is {out}.",
    ),
    Kind(
        name="maximum",
        topic="lists",
        values=numbers(high=9999),
        weight=1.0,
        phrases=Phrases(
            nouns=(
                "the maximum of {q}",
                "the [largest|biggest|highest|greatest] [number|value] [in|of|among] {q}",
                "the max of {q}",
                "the largest of {q}",
                "~the top value in {q}",
            ),
            commands=(
                "find the [largest|biggest|highest|greatest] [number|value] in {q}",
                "find the maximum of {q}",
                "pick the largest number [of|from] {q}",
                "~search {q} for the greatest number",
            ),
            sentences=(
                "which [number |]is the [largest|biggest|highest|greatest] [in|of|among] {q}?",
                "which of {q} is the [largest|biggest]?",
                "what is the largest number in {q}?",
                "~of the numbers {q}, which one is greatest?",
            ),
        ),
        goal="a maximum",
        thought="Find the largest of {xs}",
        code="max({xs})",
        answer="The largest is {out}.",
    ),
    Kind(
        name="minimum",
        topic="lists",
        values=numbers(high=9999),
        weight=1.0,
        phrases=Phrases(
            nouns=("the minimum of {q}", "the [smallest|lowest|least] [number|value] [in|of|among] {q}", "the min of {q}", "the smallest of {q}", "~the bottom value in {q}"),
            commands=(
                "find the [smallest|lowest|least] [number|value] in {q}",
                "find the minimum of {q}",
                "pick the smallest number [of|from] {q}",
                "~search {q} for the least number",
            ),
            sentences=(
                "which [number |]is the [smallest|lowest] [in|of|among] {q}?",
                "which of {q} is the [smallest|lowest]?",
                "what is the smallest number in {q}?",
                "~of the numbers {q}, which one is least?",
            ),
        ),
        goal="a minimum",
        thought="Find the smallest of {xs}",
        code="min({xs})",
        answer="The smallest is {out}.",
    ),
    Kind(
        name="range of a list",
        topic="lists",
        values=numbers(),
        weight=0.6,
        phrases=Phrases(
            nouns=(
                "the difference between the [largest|biggest] and [the |]smallest of {q}",
                "the range of {q}",
                "the spread of {q}",
                "the range of the numbers {q}",
                "~how far apart the extremes of {q} are",
            ),
            commands=("subtract the smallest from the largest [number |]in {q}", "~take the largest of {q} minus the smallest"),
            sentences=("how far apart are the largest and [the |]smallest of {q}?", "what is the range of {q}?", "~what separates the maximum and minimum of {q}?"),
        ),
        goal="a range",
        thought="Take the largest minus the smallest of {xs}",
        code="max({xs}) - min({xs})",
        answer="The range is {out}.",
    ),
    Kind(
        name="product of a list",
        topic="lists",
        values=numbers(low=1, high=99, most=6),
        weight=0.7,
        phrases=Phrases(
            nouns=("the product of {q}", f"the product of {NUMBERS}", "the product of these numbers: {q}", "the product of the list {q}", "~the result of multiplying all of {q}"),
            commands=("multiply {q}", "multiply the numbers {q}", "multiply all [of |]these numbers: {q}", "multiply {q} together", "~take the product over {q}"),
            sentences=("what do you get when you multiply {q}?", "~if you multiply all of {q}, what is it?"),
        ),
        goal="the product of a list",
        thought="Multiply {xs}",
        code="import math\nmath.prod({xs})",
        answer="The product is {out}.",
    ),
    Kind(
        name="even numbers",
        topic="lists",
        values=numbers(),
        weight=0.7,
        phrases=Phrases(
            nouns=("the even numbers [in|of|from|among] {q}", "all even numbers in {q}", "only the even numbers of {q}", "~the members of {q} divisible by two"),
            commands=(
                "list the even numbers in {q}",
                "keep [only |]the even numbers [of|in|from] {q}",
                "filter the even numbers from {q}",
                "pick the even numbers [out of|from] {q}",
                "~drop the odd ones from {q}",
            ),
            sentences=("which [numbers |]of {q} are even?", "which numbers in {q} are even?", "~which of {q} can be divided by 2?"),
        ),
        goal="the even numbers of a list",
        thought="Keep the even numbers of {xs}",
        code="[x for x in {xs} if x % 2 == 0]",
        answer="The even numbers are {out}.",
    ),
    Kind(
        name="odd numbers",
        topic="lists",
        values=numbers(),
        weight=0.6,
        phrases=Phrases(
            nouns=("the odd numbers [in|of|from|among] {q}", "all odd numbers in {q}", "only the odd numbers of {q}", "~the members of {q} not divisible by two"),
            commands=(
                "list the odd numbers in {q}",
                "keep [only |]the odd numbers [of|in|from] {q}",
                "filter the odd numbers from {q}",
                "pick the odd numbers [out of|from] {q}",
                "~drop the even ones from {q}",
            ),
            sentences=("which [numbers |]of {q} are odd?", "which numbers in {q} are odd?", "~which of {q} cannot be divided by 2?"),
        ),
        goal="the odd numbers of a list",
        thought="Keep the odd numbers of {xs}",
        code="[x for x in {xs} if x % 2 == 1]",
        answer="The odd numbers are {out}.",
    ),
    Kind(
        name="distinct",
        topic="lists",
        values=repeated,
        weight=0.7,
        phrases=Phrases(
            nouns=("the [unique|distinct|different] [numbers|values] [in|of] {q}", "{q} without duplicates", "~the set of values in {q}"),
            commands=(
                "remove [the |]duplicates from {q}",
                "remove duplicates [in|from] the list {q}",
                "list the [unique|distinct] numbers in {q}",
                "delete the duplicates in {q}",
                "~keep each number of {q} only once",
            ),
            sentences=("which [different|distinct|unique] numbers are in {q}?", "~what is {q} if repeats are dropped?"),
        ),
        goal="a list without duplicates",
        thought="Remove duplicates from {xs}",
        code="list(dict.fromkeys({xs}))",
        answer="Without duplicates: {out}",
    ),
    Kind(
        name="occurrences",
        topic="lists",
        values=repeated,
        weight=0.7,
        phrases=Phrases(
            nouns=("the number of times {x} [appears|occurs] in {q}", "the count of {x} in {q}", "~the frequency of {x} in {q}"),
            commands=("count how often {x} [appears|occurs] in {q}", "count the {x}s in {q}", "count {x} in the list {q}", "~go through {q} and count each {x}"),
            sentences=(
                "how often does {x} [appear|occur] in {q}?",
                "how many times does {x} [appear|occur] in {q}?",
                "how many times is {x} in {q}?",
                "how many {x}s are in {q}?",
                "~how many entries of {q} are equal to {x}?",
            ),
        ),
        goal="how often a number occurs",
        thought="Count {x} in {xs}",
        code="{xs}.count({x})",
        answer="It occurs {out} times.",
    ),
    Kind(
        name="reverse a list",
        topic="lists",
        values=numbers(),
        weight=0.6,
        phrases=Phrases(
            nouns=("the list {q} [reversed|in reverse|in reverse order|backwards]", "the numbers {q} in reverse order", "~the list {q} from the last to the first"),
            commands=("reverse the list {q}", "reverse the numbers {q}", "reverse the order of {q}", "reverse the order of the numbers {q}", "~list {q} starting at the end"),
            sentences=("what is the list {q} in reverse order?", "~how does the list {q} look when it is turned around?"),
        ),
        goal="a reversed list",
        thought="Reverse {xs}",
        code="{xs}[::-1]",
        answer="Reversed: {out}",
    ),
    Kind(
        name="squares of a list",
        topic="lists",
        values=numbers(most=6),
        weight=0.5,
        phrases=Phrases(
            nouns=("the squares of {q}", "the squares of the numbers {q}", "the list {q} with every number squared", "~each of {q} times itself"),
            commands=("square each [number |]of {q}", "square every number in {q}", "square all numbers in {q}", "~replace each of {q} by its square"),
            sentences=("what are the squares of {q}?", "~what do you get when each of {q} is squared?"),
        ),
        goal="the squares of a list",
        thought="Square each number of {xs}",
        code="[x**2 for x in {xs}]",
        answer="The squares are {out}.",
    ),
    Kind(
        name="doubles of a list",
        topic="lists",
        values=numbers(most=6),
        weight=0.4,
        phrases=Phrases(
            nouns=("the doubles of {q}", "the list {q} with every number doubled", "~twice each of {q}"),
            commands=(
                "double each [number |]of {q}",
                "double every number in {q}",
                "double all [the |]numbers in {q}",
                "multiply each number in {q} by 2",
                "~replace each of {q} by its double",
            ),
            sentences=("what do you get when you double each of {q}?", "~what is {q} if everything is doubled?"),
        ),
        goal="the doubles of a list",
        thought="Double each number of {xs}",
        code="[x * 2 for x in {xs}]",
        answer="The doubles are {out}.",
    ),
    Kind(
        name="sort words",
        topic="lists",
        values=words,
        weight=1.3,
        phrases=Phrases(
            nouns=("{q} in alphabetical order", "the words {q} [sorted|in alphabetical order|sorted alphabetically]", "the alphabetical order of {q}", "~{q} from a to z"),
            commands=(
                "sort {q}",
                "sort {q} alphabetically",
                "sort the words {q}",
                "sort these words: {q}",
                "put {q} in alphabetical order",
                "order {q} alphabetically",
                "arrange these words in alphabetical order: {q}",
                "sort the list {q}",
                "~alphabetize {q}",
            ),
            sentences=("what is the alphabetical order of {q}?", "how do {q} go in alphabetical order?", "~in what order would {q} stand in a dictionary?"),
        ),
        goal="words in alphabetical order",
        thought="Sort {ws}",
        code='print(", ".join(sorted({ws})))',
        answer="Sorted: {out}",
    ),
    Kind(
        name="longest of words",
        topic="lists",
        values=words,
        weight=0.7,
        phrases=Phrases(
            nouns=("the longest [word |]of {q}", "the longest word [in|among] {q}", "the longest word in the list {q}", "~the member of {q} with the most letters"),
            commands=("find the longest [word |]of {q}", "find the longest word in {q}", "pick the longest word [of|from] {q}", "~choose the longest among {q}"),
            sentences=("which [word |]is the longest [of|in|among]: {q}?", "which of {q} is the longest?", "which word is longest: {q}?", "~of {q}, which has the most letters?"),
        ),
        goal="the longest of some words",
        thought="Find the longest of {ws}",
        code="print(max({ws}, key=len))",
        answer="The longest is {out}.",
    ),
    Kind(
        name="shortest of words",
        topic="lists",
        values=words,
        weight=0.6,
        phrases=Phrases(
            nouns=("the shortest [word |]of {q}", "the shortest word [in|among] {q}", "the shortest word in the list {q}", "~the member of {q} with the fewest letters"),
            commands=("find the shortest [word |]of {q}", "find the shortest word in {q}", "pick the shortest word [of|from] {q}", "~choose the shortest among {q}"),
            sentences=(
                "which [word |]is the shortest [of|in|among]: {q}?",
                "which of {q} is the shortest?",
                "which word is shortest: {q}?",
                "~of {q}, which has the fewest letters?",
            ),
        ),
        goal="the shortest of some words",
        thought="Find the shortest of {ws}",
        code="print(min({ws}, key=len))",
        answer="The shortest is {out}.",
    ),
    Kind(
        name="lengths of words",
        topic="lists",
        values=words,
        weight=0.5,
        phrases=Phrases(
            nouns=("the lengths of {q}", "the lengths of the words {q}", "the length of each word [of|in] {q}", "~the letter counts of {q}, one by one"),
            commands=("count the letters of each word in {q}", "list the lengths of {q}", "~measure each of the words {q}"),
            sentences=("how long is each of {q}?", "how long are the words {q}?", "how many letters does each of {q} have?", "~what are the sizes of the words {q}?"),
        ),
        goal="the lengths of some words",
        thought="Measure each of {ws}",
        code="[len(w) for w in {ws}]",
        answer="The lengths are {out}.",
    ),
    Kind(
        name="how many items",
        topic="lists",
        values=words,
        weight=0.5,
        phrases=Phrases(
            nouns=("the number of [items|words|elements|entries] in the list {q}", "the length of the list {q}", "~the size of the list {q}"),
            commands=("count the [items|elements|entries] in the list {q}", "count how many [words|items] are in the list {q}", "~tell how many entries the list {q} has"),
            sentences=(
                "how many [items|words|elements|entries] are in the list {q}?",
                "how many [items|elements] does the list {q} have?",
                "~of how many entries does the list {q} consist?",
            ),
        ),
        goal="the number of items",
        thought="Count the items of {ws}",
        code="len({ws})",
        answer="The list has {out} items.",
    ),
    Kind(
        name="capitalise words",
        topic="lists",
        values=words,
        weight=0.4,
        phrases=Phrases(
            nouns=("the list {q} in [uppercase|capital letters]", "the words {q} in [uppercase|capital letters]", "~every word of the list {q} in capitals"),
            commands=(
                "uppercase [each|every] word in the list {q}",
                "convert the words {q} to uppercase",
                "write the words {q} in capital letters",
                "~capitalize all letters of the words {q}",
            ),
            sentences=("what are the words {q} in uppercase?", "~how do the words {q} look in capitals?"),
        ),
        goal="words in capitals",
        thought="Put {ws} in upper case",
        code='print(", ".join(w.upper() for w in {ws}))',
        answer="In upper case: {out}",
    ),
)
