"""Questions about dates."""

import calendar
import datetime

from ostinato.training.kinds.kind import Kind, Slots
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
        goal="a weekday",
        thought="Find the weekday of {d}",
        code=DATE + 'print({d}.strftime("%A"))',
        answer="It is a {out}.",
    ),
    Kind(
        name="days between",
        topic="dates",
        values=two_dates,
        weight=2.0,
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
        goal="the days since a date",
        thought="Subtract {d} from today, {today}",
        code=DATE + "({today} - {d}).days",
        answer="It is {out} days.",
    ),
)
