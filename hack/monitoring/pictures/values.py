"""Values in the units of the panels, and round numbers for their axes."""

import math

_TIMES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_SHORT = ((1e9, " G"), (1e6, " M"), (1e3, " k"))
_ROUND_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


def said(value: float, unit: str, decimals: int | None = None) -> str:
    """A value as a panel shows it, with three digits at most, or with so many decimals.

    Raises:
        ValueError: no panel has had this unit so far.
    """
    match unit:
        case "s":
            return _scaled(value, _TIMES, decimals)
        case "ms":
            return _scaled(value / 1000, _TIMES, decimals)
        case "bytes":
            return _scaled(value, _BYTES, decimals)
        case "percentunit":
            return f"{_digits(100 * value, decimals)} %"
        case "short":
            size, suffix = next((one for one in _SHORT if abs(value) >= one[0]), (1.0, ""))
            return f"{_digits(value / size, decimals)}{suffix}"
    raise ValueError(f"no unit {unit} is known here")


def _scaled(value: float, scale: tuple[tuple[float, str], ...], decimals: int | None) -> str:
    if not value:
        return f"0 {next(name for size, name in scale if size == 1)}"
    size, name = next((one for one in scale if abs(value) >= one[0]), scale[-1])
    return f"{_digits(value / size, decimals)} {name}"


def _digits(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def ticks(top: float, unit: str, at_most: int = 5) -> list[float]:
    """Round values from 0 to the first one that is not below `top`."""
    if unit == "ms":
        return [1000 * value for value in ticks(top / 1000, "s", at_most)]
    step = _round(top / at_most, unit)
    return [step * number for number in range(math.ceil(round(top / step, 6)) + 1)]


def _round(least: float, unit: str) -> float:
    """The smallest round distance that is not below this one."""
    if unit == "s" and least > 1:
        return next((time for time in map(float, _ROUND_TIMES) if time >= least), math.ceil(least / 86400) * 86400.0)
    base = 2.0 if unit == "bytes" else 10.0
    power = base ** math.floor(math.log(least, base))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * (1 - 1e-9))


def moments(start: int, end: int, at_most: int) -> list[int]:
    """Round times of a window, in seconds since 1970."""
    steps = (*(time for time in _ROUND_TIMES if time >= 60), *(86400 * days for days in (2, 7, 30, 365)))  # noqa: PLR2004
    step = next(one for one in steps if (end - start) / one <= at_most)
    return list(range(-(-start // step) * step, end + 1, step))
