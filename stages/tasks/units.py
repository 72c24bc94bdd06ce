"""Units of measure that answers name, so that 150 cm is read as 1.5 m where metres are asked for."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """`factor`: how many of the dimension's base unit (m, m², L, g, s, mol, Hz, V, A, W, J, N, Pa) one of it is."""

    dimension: str
    factor: float


METRIC = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "km": 1e3, "dm": 0.1, "µm": 1e-6, "nm": 1e-9}
METRIC_WORDS = {"meter": "m", "centimeter": "cm", "millimeter": "mm", "kilometer": "km", "decimeter": "dm",
                "micrometer": "µm", "nanometer": "nm"}
FEET = {"ft": 0.3048, "foot": 0.3048, "feet": 0.3048, "inch": 0.0254, "inche": 0.0254, "yard": 0.9144}
OTHERS = {
    "volume": {"l": 1.0, "ml": 1e-3, "cl": 1e-2, "dl": 0.1, "µl": 1e-6, "liter": 1.0, "milliliter": 1e-3,
               "cm^3": 1e-3, "m^3": 1e3},
    "mass": {"g": 1.0, "kg": 1e3, "mg": 1e-3, "µg": 1e-6, "gram": 1.0, "kilogram": 1e3, "milligram": 1e-3},
    "time": {"s": 1.0, "sec": 1.0, "second": 1.0, "ms": 1e-3, "millisecond": 1e-3, "min": 60.0, "minute": 60.0,
             "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "秒": 1.0, "分钟": 60.0, "小时": 3600.0},
    "amount": {"mol": 1.0, "mole": 1.0, "mmol": 1e-3, "millimole": 1e-3, "µmol": 1e-6},
    "frequency": {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9},
    "voltage": {"v": 1.0, "mv": 1e-3, "kv": 1e3, "volt": 1.0},
    "current": {"ma": 1e-3, "ampere": 1.0, "amp": 1.0, "milliampere": 1e-3},
    "power": {"w": 1.0, "kw": 1e3, "mw": 1e-3, "watt": 1.0, "kilowatt": 1e3},
    "energy": {"j": 1.0, "kj": 1e3, "joule": 1.0, "kilojoule": 1e3},
    "force": {"n": 1.0, "kn": 1e3, "newton": 1.0, "kilonewton": 1e3},
    "pressure": {"pa": 1.0, "kpa": 1e3, "mpa": 1e6, "pascal": 1.0, "kilopascal": 1e3},
}


def table() -> dict[str, Unit]:
    """Every spelling in lower case, singular, and its unit."""
    lengths = {**METRIC, **{word: METRIC[short] for word, short in METRIC_WORDS.items()}, **FEET}
    found = {name: Unit("length", factor) for name, factor in lengths.items()}
    found |= {name: Unit("length", METRIC[short])
              for name, short in {"米": "m", "厘米": "cm", "毫米": "mm", "公里": "km", "公分": "cm"}.items()}
    for name, factor in lengths.items():
        area = Unit("area", factor**2)
        found |= dict.fromkeys((f"{name}^2", f"{name}2", f"square {name}", f"sq {name}", f"sq. {name}"), area)
    found |= {"sqm": Unit("area", 1.0), "sqft": Unit("area", 0.3048**2), "平方米": Unit("area", 1.0),
              "平米": Unit("area", 1.0), "平方厘米": Unit("area", 1e-4)}
    for dimension, names in OTHERS.items():
        found |= {name: Unit(dimension, factor) for name, factor in names.items()}
    return found


UNITS = table()
AFTER = re.compile(r"[\s\-]{0,2}((?:square|sq\.?)\s+)?([A-Za-zµ]{1,11}(?:\^?[23])?(?![\w/^])|"
                   r"平方厘?米|[平厘毫]?米|公里|公分|秒|分钟|小时)",
                   re.IGNORECASE)
INCHES = re.compile(r"\s*in\b\W*\Z", re.IGNORECASE)  # elsewhere "in" is a preposition
ASKED = re.compile(
    r"(?:\(in|\bin|\bmeasured in|\bunits?:)\s+((?:square\s+)?(?:centi|milli|kilo)?met(?:er|re)s?|feet|inches|"
    r"square feet|seconds|minutes|hours|(?:kilo|milli)?grams?|(?:milli)?lit(?:er|re)s?|c?m²|cm|mm|m|mL|kg|g)\b",
    re.IGNORECASE,
)


def unit_after(text: str, place: int) -> Unit | None:
    """The unit that stands right after a number ending at `place` of plain `text`, None without a known one."""
    if INCHES.match(text, place):
        return UNITS["inch"]
    found = AFTER.match(text, place)
    return unit_named((found[1] or "") + found[2]) if found else None


def unit_named(name: str) -> Unit | None:
    """The unit of one spelling ("metres", "cm²", "Square Meters"), None if it is not known."""
    word = " ".join(name.lower().replace("μ", "µ").replace("²", "^2").split()).replace("metre", "meter")
    word = word.replace("litre", "liter")
    return UNITS.get(word) or (UNITS.get(word[:-1]) if len(word) > 3 and word.endswith("s") else None)


def unit_asked(question: str) -> Unit | None:
    """The unit that a question asks for ("(in meters)", "measured in centimeters"), None if it names none or two."""
    found = {unit for match in ASKED.finditer(question) if (unit := unit_named(match[1]))}
    return found.pop() if len(found) == 1 else None
