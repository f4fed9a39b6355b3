"""Questions about dates."""

import calendar
import datetime

from ostinato.training.kinds.kind import Kind, Slots
from ostinato.training.phrasing import Phrases
from ostinato.training.values import Values

MONTHS = tuple(calendar.month_name)[1:]


def shown(date: datetime.date, values: Values) -> str:
    """Show a date as people write it."""
    month = MONTHS[date.month - 1]
    ordinal = "th" if 10 <= date.day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(date.day % 10, "th")
    return values.rng.choice(
        [
            date.isoformat(),
            date.isoformat(),
            f"{month} {date.day}, {date.year}",
            f"{date.day} {month} {date.year}",
            f"{month} {date.day} {date.year}",
            f"{date.day}{ordinal} of {month} {date.year}",
            f"{month} {date.day}{ordinal}, {date.year}",
            f"{month[:3]} {date.day}, {date.year}",
            f"{date.day} {month.lower()} {date.year}",
        ]
    )


def _code(date: datetime.date) -> str:
    return f"date({date.year}, {date.month}, {date.day})"


def one_date(values: Values) -> Slots:
    """Draw a date."""
    d = values.date()
    return {"d": _code(d), "q": shown(d, values), "y": str(d.year)}


def two_dates(values: Values) -> Slots:
    """Draw two dates, mostly in order, often close."""
    d = values.date(1900, 2060)
    e = values.date() if values.rng.random() < 0.4 else d + datetime.timedelta(days=values.rng.randint(1, 900))
    if e < d:
        d, e = e, d
    return {"d": _code(d), "e": _code(e), "q": shown(d, values), "r": shown(e, values)}


def date_and_days(values: Values) -> Slots:
    """Draw a date and a number of days."""
    return {**one_date(values), "n": str(values.integer(2, 999))}


def date_and_weeks(values: Values) -> Slots:
    """Draw a date and a number of weeks."""
    return {**one_date(values), "n": str(values.rng.randint(2, 99))}


def year(values: Values) -> Slots:
    """Draw a year."""
    return {"y": str(values.rng.choice([values.rng.randrange(1600, 2401), values.rng.randrange(400, 600) * 4, values.rng.choice([1700, 1800, 1900, 2000, 2100])]))}


def month(values: Values) -> Slots:
    """Draw a month of a year."""
    number = values.rng.randint(1, 12)
    name = MONTHS[number - 1]
    return {"y": str(values.rng.randint(1900, 2100)), "m": str(number), "q": values.rng.choice([name, name, name.lower()])}


DATE = "from datetime import date\n"
DELTA = "from datetime import date, timedelta\n"

DATES = (
    Kind(
        name="weekday",
        topic="dates",
        values=one_date,
        weight=1.4,
        phrases=Phrases(
            nouns=("the [weekday|day of the week] of {q}", "the [weekday|day of the week] on {q}", "the [weekday|day of the week] for {q}", "~the name of the day on {q}"),
            commands=("find [out |]the weekday of {q}", "tell me the day of the week for {q}", "~say which day {q} falls on"),
            sentences=(
                "what day [of the week |]was {q}?",
                "what day [of the week |]is {q}?",
                "which [weekday|day of the week] is {q}?",
                "on which [day|weekday] does {q} fall?",
                "what weekday is {q}?",
                "what day of the week does {q} fall on?",
                "was {q} a monday?",
                "which day was it on {q}?",
                "i was born on {q}. what day [of the week |]was that?",
                "~{q}: what weekday would that be?",
                "~on what weekday do we have {q}?",
            ),
        ),
        goal="a weekday",
        thought="Find the weekday of {d}",
        code=DATE + 'print({d}.strftime("%A"))',
        answer="It is a {out}.",
    ),
    Kind(
        name="days between",
        topic="dates",
        values=two_dates,
        weight=1.3,
        phrases=Phrases(
            nouns=(
                "the number of days between {q} and {r}",
                "the number of days from {q} to {r}",
                "the days between {q} and {r}",
                "the difference in days between {q} and {r}",
                "the time between {q} and {r} in days",
                "~the gap in days from {q} until {r}",
            ),
            commands=(
                "count the days between {q} and {r}",
                "count the days from {q} to {r}",
                "count how many days are between {q} and {r}",
                "~measure the days separating {q} and {r}",
            ),
            sentences=(
                "how many days are [there |]between {q} and {r}?",
                "how many days are there from {q} to {r}?",
                "how many days lie between {q} and {r}?",
                "how many days from {q} to {r}?",
                "how many days [pass|go by] between {q} and {r}?",
                "how many days is it from {q} [to|until] {r}?",
                "~if i start on {q} and end on {r}, how many days is that?",
            ),
        ),
        goal="the days between two dates",
        thought="Subtract {d} from {e}",
        code=DATE + "({e} - {d}).days",
        answer="It is {out} days.",
    ),
    Kind(
        name="days after",
        topic="dates",
        values=date_and_days,
        weight=1.2,
        phrases=Phrases(
            nouns=(
                "the date {n} days after {q}",
                "the date {n} days from {q}",
                "{q} plus {n} days",
                "{q} + {n} days",
                "the day {n} days after {q}",
                "the date {n} days later than {q}",
                "~the calendar date once {n} days have passed since {q}",
            ),
            commands=("add {n} days to {q}", "add {n} days to the date {q}", "go {n} days forward from {q}", "~move {q} forward by {n} days"),
            sentences=(
                "what date is {n} days after {q}?",
                "which date is {n} days after {q}?",
                "what is the date {n} days after {q}?",
                "what day is it {n} days after {q}?",
                "[something|a loan|a ticket] starts on {q} and lasts {n} days. when does it end?",
                "~starting at {q}, what date do we reach in {n} days?",
            ),
        ),
        goal="a later date",
        thought="Add {n} days to {d}",
        code=DELTA + "print({d} + timedelta(days={n}))",
        answer="The date is {out}.",
    ),
    Kind(
        name="days before",
        topic="dates",
        values=date_and_days,
        weight=0.9,
        phrases=Phrases(
            nouns=(
                "the date {n} days before {q}",
                "{q} minus {n} days",
                "{q} - {n} days",
                "the day {n} days before {q}",
                "the date {n} days earlier than {q}",
                "~the calendar date when {q} was still {n} days away",
            ),
            commands=("subtract {n} days from {q}", "subtract {n} days from the date {q}", "go {n} days back from {q}", "~move {q} back by {n} days"),
            sentences=(
                "what date is {n} days before {q}?",
                "which date is {n} days before {q}?",
                "what is the date {n} days before {q}?",
                "what date was {n} days before {q}?",
                "~going back {n} days from {q}, what date is it?",
            ),
        ),
        goal="an earlier date",
        thought="Subtract {n} days from {d}",
        code=DELTA + "print({d} - timedelta(days={n}))",
        answer="The date is {out}.",
    ),
    Kind(
        name="weeks after",
        topic="dates",
        values=date_and_weeks,
        weight=0.7,
        phrases=Phrases(
            nouns=(
                "the date {n} weeks after {q}",
                "the date {n} weeks from {q}",
                "{q} plus {n} weeks",
                "{q} + {n} weeks",
                "~the calendar date once {n} weeks have passed since {q}",
            ),
            commands=("add {n} weeks to {q}", "add {n} weeks to the date {q}", "go {n} weeks forward from {q}", "~move {q} forward by {n} weeks"),
            sentences=(
                "what date is {n} weeks after {q}?",
                "which date is {n} weeks after {q}?",
                "what is the date {n} weeks after {q}?",
                "~starting at {q}, what date do we reach in {n} weeks?",
            ),
        ),
        goal="a later date",
        thought="Add {n} weeks to {d}",
        code=DELTA + "print({d} + timedelta(weeks={n}))",
        answer="The date is {out}.",
    ),
    Kind(
        name="leap year",
        topic="dates",
        values=year,
        weight=0.8,
        phrases=Phrases(
            commands=(
                "check [if|whether] {y} [is|was] a leap year",
                "tell me [if|whether] {y} is a leap year",
                "test [if|whether] {y} is a leap year",
                "~find out if the year {y} has a leap day",
            ),
            sentences=(
                "is {y} a leap year?",
                "was {y} a leap year?",
                "is the year {y} a leap year?",
                "will {y} be a leap year?",
                "{y}: leap year or not?",
                "~does {y} have a 29th of february?",
            ),
        ),
        goal="whether a year is a leap year",
        thought="Test whether {y} is a leap year",
        code="import calendar\ncalendar.isleap({y})",
        answer="{yes}",
    ),
    Kind(
        name="days in a month",
        topic="dates",
        values=month,
        weight=0.7,
        phrases=Phrases(
            nouns=("the number of days in {q} {y}", "the length of {q} {y} in days", "~the day count of {q} {y}"),
            commands=("count the days in {q} {y}", "tell me how many days {q} {y} has", "~say how long {q} {y} is"),
            sentences=("how many days [does {q} {y} have|are in {q} {y}|are there in {q} {y}|did {q} {y} have]?", "how many days has {q} {y}?", "~{q} {y} has how many days?"),
        ),
        goal="the days of a month",
        thought="Count the days of month {m} in {y}",
        code="import calendar\ncalendar.monthrange({y}, {m})[1]",
        answer="It has {out} days.",
    ),
    Kind(
        name="day of the year",
        topic="dates",
        values=one_date,
        weight=0.6,
        phrases=Phrases(
            nouns=("the day of the year of {q}", "the day number of {q}", "the day of the year for {q}", "the position of {q} in the year", "~the ordinal day of {q} in its year"),
            commands=("find the day of the year for {q}", "~number {q} within its year"),
            sentences=("which day of the year is {q}?", "what day of the year is {q}?", "which day number is {q}?", "~how many days into the year is {q}?"),
        ),
        goal="the day of the year",
        thought="Find the day of the year of {d}",
        code=DATE + "{d}.timetuple().tm_yday",
        answer="It is day {out} of the year.",
    ),
    Kind(
        name="week number",
        topic="dates",
        values=one_date,
        weight=0.6,
        phrases=Phrases(
            nouns=("the week number of {q}", "the calendar week of {q}", "the iso week of {q}", "the week of the year of {q}", "~the number of the week that contains {q}"),
            commands=("find the [week number|calendar week] of {q}", "~say which week {q} belongs to"),
            sentences=("which [week|calendar week] is {q} in?", "in which week [of the year |]is {q}?", "what week number is {q}?", "~to which calendar week does {q} belong?"),
        ),
        goal="a week number",
        thought="Find the week of {d}",
        code=DATE + "{d}.isocalendar().week",
        answer="It is week {out}.",
    ),
    Kind(
        name="days until",
        topic="dates",
        weight=1.0,
        values=lambda v: (lambda d: {"d": _code(d), "q": shown(d, v)})(v.date(2028, 2100)),
        phrases=Phrases(
            nouns=("the number of days until {q}", "the days until {q}", "the number of days from today to {q}", "~the wait in days from now until {q}"),
            commands=("count the days until {q}", "count the days [from today|from now] to {q}", "~tell me the days remaining until {q}"),
            sentences=(
                "how many days until {q}?",
                "how many days [are|is it] until {q}?",
                "how many days are left until {q}?",
                "how many days from today to {q}?",
                "how long is it until {q} in days?",
                "~{q} is how many days away?",
            ),
        ),
        goal="the days until a date",
        thought="Subtract today, {today}, from {d}",
        code=DATE + "({d} - {today}).days",
        answer="It is {out} days.",
    ),
    Kind(
        name="date from today",
        topic="dates",
        weight=0.8,
        values=lambda v: {"n": str(v.integer(2, 999))},
        phrases=Phrases(
            nouns=("the date in {n} days", "the date {n} days from [now|today]", "today plus {n} days", "~the calendar date after another {n} days"),
            commands=("add {n} days to today", "add {n} days to today's date", "~go {n} days forward from today"),
            sentences=(
                "what date is it in {n} days?",
                "which date is {n} days from [now|today]?",
                "what is the date in {n} days?",
                "what will the date be in {n} days?",
                "~today in {n} days, what date is that?",
            ),
        ),
        goal="a date counted from today",
        thought="Add {n} days to today, {today}",
        code=DELTA + "print({today} + timedelta(days={n}))",
        answer="The date is {out}.",
    ),
    Kind(
        name="age",
        topic="dates",
        weight=0.6,
        values=lambda v: (lambda d: {"d": _code(d), "q": shown(d, v)})(v.date(1900, 2020)),
        phrases=Phrases(
            nouns=("the number of days since {q}", "the days since {q}", "~the count of days that went by since {q}"),
            commands=("count the days since {q}", "count the days from {q} to today", "~tell me how many days passed after {q}"),
            sentences=(
                "how many days [have passed|passed] since {q}?",
                "how many days ago was {q}?",
                "i was born on {q}. how many days old am i?",
                "how many days is it since {q}?",
                "~how many days lie behind us since {q}?",
            ),
        ),
        goal="the days since a date",
        thought="Subtract {d} from today, {today}",
        code=DATE + "({today} - {d}).days",
        answer="It is {out} days.",
    ),
)
