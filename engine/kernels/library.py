"""The compiled library for this processor, and the structures of its C interface (src/ostinato_cpu.h)."""

import ctypes
from ctypes import POINTER, Structure, c_float, c_int32, c_size_t, c_uint64, c_void_p
from enum import IntEnum
from functools import cache
from pathlib import Path

ROWS = 16  # of a panel
_KINDS = ("amx", "avx512", "avxvnni", "avx2", "dotprod", "neon", "plain")  # best first


class Form(IntEnum):
    """How a matrix is held."""

    INT8 = 0
    BFLOAT16 = 1
    MXFP4 = 2


class Shape(Structure):
    """ostinato_shape."""

    _fields_ = (
        ("layers", c_int32),
        ("hidden", c_int32),
        ("intermediate", c_int32),
        ("query_heads", c_int32),
        ("kv_heads", c_int32),
        ("head_dim", c_int32),
        ("experts", c_int32),
        ("chosen", c_int32),
        ("vocabulary", c_int32),
        ("window", c_int32),
        ("eps", c_float),
        ("slope", c_float),
        ("limit", c_float),
    )


class Matrix(Structure):
    """ostinato_matrix."""

    _fields_ = (
        ("form", c_int32),
        ("rows", c_int32),
        ("inputs", c_int32),
        ("panels", c_void_p),
        ("scales", c_void_p),
        ("bias", c_void_p),
    )


Fetch = ctypes.CFUNCTYPE(None, c_int32, POINTER(c_int32), c_int32)  # ostinato_fetch


class Layer(Structure):
    """ostinato_layer."""

    _fields_ = (
        ("slides", c_int32),
        ("attention_norm", c_void_p),
        ("qkv", Matrix),
        ("out", Matrix),
        ("sinks", c_void_p),
        ("experts_norm", c_void_p),
        ("router", c_void_p),
        ("router_bias", c_void_p),
        ("gate_up", Matrix),
        ("down", Matrix),
        ("places", c_void_p),
    )


class Weights(Structure):
    """ostinato_weights."""

    _fields_ = (
        ("shape", Shape),
        ("layers", POINTER(Layer)),
        ("norm", c_void_p),
        ("head", Matrix),
        ("cosines", c_void_p),
        ("sines", c_void_p),
        ("fetch", Fetch),
        ("places", c_int32),
    )


class Chunk(Structure):
    """ostinato_chunk."""

    _fields_ = (
        ("embedded", c_void_p),
        ("begin", c_int32),
        ("count", c_int32),
        ("is_exact", c_int32),
        ("full_pages", c_void_p),
        ("sliding_pages", c_void_p),
    )


class Library:
    """One compiled library. `kind` is what it was compiled for."""

    def __init__(self, path: Path, kind: str) -> None:
        self.kind = kind
        loaded = ctypes.CDLL(str(path))
        self.is_supported = _function(loaded, "is_supported", c_int32)
        self.open = _function(loaded, "open", c_void_p, POINTER(Weights), c_int32)
        self.close = _function(loaded, "close", None, c_void_p)
        self.step = _function(
            loaded,
            "step",
            None,
            c_void_p,
            POINTER(Chunk),
            c_int32,
            c_void_p,
            c_int32,
            c_void_p,
            c_int32,
            c_void_p,
        )
        self.read = _function(loaded, "read", c_uint64, c_void_p, c_void_p, c_size_t)
        self.page_bytes = _function(loaded, "page_bytes", c_size_t, POINTER(Shape))
        self.panel_bytes = _function(loaded, "panel_bytes", c_size_t, c_int32, c_int32)
        self.pack = _function(loaded, "pack", None, c_int32, c_void_p, c_void_p, c_int32, c_int32, c_void_p, c_void_p)


@cache
def libraries() -> dict[str, Library]:
    """Return the libraries that were built and that this processor can run, the best first."""
    folder = Path(__file__).parent
    found: dict[str, Library] = {}
    for kind in _KINDS:
        for path in sorted(folder.glob(f"cpu_{kind}.*")):
            try:
                library = Library(path, kind)
            except (OSError, AttributeError):
                continue  # built for another machine, or another version
            if library.is_supported():
                found[kind] = library
                break
    return found


def best_library() -> Library | None:
    """Return the library to use; None if none was built."""
    return next(iter(libraries().values()), None)


def _function(library: ctypes.CDLL, name: str, result: type | None, *arguments: type) -> "ctypes._NamedFuncPointer":
    function = library[f"ostinato_{name}"]
    function.restype, function.argtypes = result, arguments
    return function
