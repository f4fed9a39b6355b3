"""Sizes for people."""


def readable_size(num_bytes: float) -> str:
    """Write a number of bytes in the unit that suits it, of powers of a thousand."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes:.0f} bytes"
