"""A share and a count as a person reads them."""


def percent(part: int, whole: int) -> str:
    """Percent with one decimal, in whole numbers: halves go up, as on the page of the report, which does the same."""
    part, whole = int(part), max(int(whole), 1)
    return f"{(2000 * part + whole) // (2 * whole) / 10:.1f} %"


def counted(count: int, noun: str) -> str:
    """A number of things."""
    plural = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{plural}"
