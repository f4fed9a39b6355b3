"""Questions about units of measure."""

from ostinato.training.kinds.kind import Kind, Slots, shown_number
from ostinato.training.values import Values

KM, MILE, METER, FOOT = ("km", "kilometers", "kilometres"), ("miles",), ("meters", "m", "metres"), ("feet", "ft")
CM, INCH, YARD, KG, POUND = (("cm", "centimeters"), ("inches", "in"), ("yards", "yd"), ("kg", "kilograms", "kilos"), ("pounds", "lbs", "lb"))
GRAM, OUNCE, LITER, GALLON = ("grams", "g"), ("ounces", "oz"), ("liters", "litres", "l"), ("gallons", "us gallons")
MPH, KMH = ("mph", "miles per hour"), ("km/h", "kmh", "kilometers per hour")
ACRE, HECTARE, MM, TON = ("acres",), ("hectares", "ha"), ("mm", "millimeters"), ("tons", "tonnes")
C, F, K = ("°C", "degrees celsius", "celsius", "C"), ("°F", "degrees fahrenheit", "fahrenheit", "F"), ("kelvin", "K")
SECOND, MINUTE, HOUR, DAY, WEEK, YEAR = ("seconds",), ("minutes",), ("hours",), ("days",), ("weeks",), ("years",)
GB, MB, KB, BYTE = ("gigabytes", "GB"), ("megabytes", "MB"), ("kilobytes", "KB"), ("bytes",)

# from, to, code with the value as {v}; factors: NIST SP 811 (international yard and pound, US gallon)
CONVERSIONS = (
    (KM, MILE, "{v} * 0.621371"), (MILE, KM, "{v} * 1.609344"), (METER, FOOT, "{v} * 3.28084"), (FOOT, METER, "{v} * 0.3048"),
    (CM, INCH, "{v} / 2.54"), (INCH, CM, "{v} * 2.54"), (METER, YARD, "{v} * 1.09361"), (YARD, METER, "{v} * 0.9144"),
    (KG, POUND, "{v} * 2.20462"), (POUND, KG, "{v} * 0.453592"), (GRAM, OUNCE, "{v} * 0.035274"), (OUNCE, GRAM, "{v} * 28.3495"),
    (LITER, GALLON, "{v} * 0.264172"), (GALLON, LITER, "{v} * 3.78541"), (MPH, KMH, "{v} * 1.609344"), (KMH, MPH, "{v} * 0.621371"),
    (ACRE, HECTARE, "{v} * 0.404686"), (HECTARE, ACRE, "{v} * 2.47105"), (C, F, "{v} * 9 / 5 + 32"), (F, C, "({v} - 32) * 5 / 9"), (C, K, "{v} + 273.15"), (K, C, "{v} - 273.15"),
    (KM, METER, "{v} * 1000"), (METER, KM, "{v} / 1000"), (METER, CM, "{v} * 100"), (CM, METER, "{v} / 100"), (CM, MM, "{v} * 10"), (MM, CM, "{v} / 10"),
    (KG, GRAM, "{v} * 1000"), (GRAM, KG, "{v} / 1000"), (TON, KG, "{v} * 1000"), (FOOT, INCH, "{v} * 12"), (INCH, FOOT, "{v} / 12"),
    (HOUR, MINUTE, "{v} * 60"), (MINUTE, HOUR, "{v} / 60"), (MINUTE, SECOND, "{v} * 60"), (SECOND, MINUTE, "{v} / 60"), (HOUR, SECOND, "{v} * 3600"), (SECOND, HOUR, "{v} / 3600"),
    (DAY, HOUR, "{v} * 24"), (HOUR, DAY, "{v} / 24"), (DAY, MINUTE, "{v} * 1440"), (DAY, SECOND, "{v} * 86400"), (WEEK, DAY, "{v} * 7"), (DAY, WEEK, "{v} / 7"), (YEAR, DAY, "{v} * 365"), (WEEK, HOUR, "{v} * 168"),
    (GB, MB, "{v} * 1000"), (MB, GB, "{v} / 1000"), (MB, KB, "{v} * 1000"), (KB, BYTE, "{v} * 1000"),
)  # fmt: skip


def conversion(values: Values) -> Slots:
    """Draw a quantity and the unit to express it in."""
    rng = values.rng
    source, target, code = rng.choice(CONVERSIONS)
    v = values.decimal(1, 999) if rng.random() < 0.2 else str(values.integer(1, 9999))
    s, t = (rng.choice([names[0], rng.choice(names)]) for names in (source, target))
    gap = "" if s in ("km", "cm", "m", "kg", "g", "mm", "C", "F", "°C", "°F", "GB", "MB") and rng.random() < 0.3 else " "
    return {
        "v": v, "x": f"{shown_number(v, values)}{gap}{s}", "n": shown_number(v, values), "s": s, "t": t,
        "e": f"round({code.format(v=v)}, 4)", "f": source[0], "g": target[0],
    }  # fmt: skip


UNITS = (
    Kind(
        name="convert", topic="units", values=conversion, weight=9.0,
        goal="a quantity in another unit", thought="Convert {v} {f} to {g}", code="{e}", answer="It is {out} {t}.",
    ),
)  # fmt: skip
