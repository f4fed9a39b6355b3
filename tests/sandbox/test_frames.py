"""Frames: whole ones come out whichever way the bytes come in; hostile ones end the connection."""

import json

import pytest

from ostinato.sandbox.child import Capture
from ostinato.sandbox.frames import HEADER, MAX_BYTES, BadFrame, Unpacker, head_and_tail, pack
from ostinato.sandbox.interface import Limits
from ostinato.sandbox.replies import Execution, clean, parse


def test_frames_come_out_whichever_way_the_bytes_are_split() -> None:
    frames = [{"a": 1}, {}, {"text": "é\ud800"}]
    stream = b"".join(map(pack, frames))

    for size in range(1, len(stream) + 1):
        unpacker = Unpacker()
        pieces = (stream[i : i + size] for i in range(0, len(stream), size))
        assert [frame for piece in pieces for frame in unpacker.feed(piece)] == frames


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(BadFrame):
        Unpacker().feed(HEADER.pack(len(body)) + body)


def test_a_length_over_the_limit_is_refused_before_its_bytes_come() -> None:
    with pytest.raises(BadFrame, match=str(MAX_BYTES + 1)):
        Unpacker().feed(HEADER.pack(MAX_BYTES + 1))


@pytest.mark.parametrize("change", [{"stdout": 1}, {"images": ["!"]}, {"more": 1}, {"notices": ["x"] * 21}])
def test_a_reply_of_another_shape_is_refused(change: dict[str, object]) -> None:
    good = json.loads(
        '{"id": "", "stdout": "", "stderr": "", "result": null, "error": null, "images": [], "notices": [],'
        ' "timed_out": false, "truncated": false, "state_lost": false}'
    )
    parse(Execution, good)

    with pytest.raises(BadFrame):
        parse(Execution, good | change)


def test_text_from_inside_is_cut_again_on_the_host() -> None:
    assert len(clean("x" * 10**6, Limits(output_chars=1000))) < 1200


def test_long_text_keeps_its_ends() -> None:
    assert head_and_tail("short", 5) == "short"
    assert head_and_tail("a" * 10 + "b" * 10, 6) == "aaaa\n… 14 characters cut …\nbb"


@pytest.mark.parametrize("size", [1, 7, 100, 10**6])
def test_a_capture_keeps_the_same_whatever_the_pieces(size: int) -> None:
    stream = b"head" + b"x" * 30_000 + b"tail"
    capture = Capture(9)
    for i in range(0, len(stream), size):
        capture.add(stream[i : i + size])

    assert capture.text() == "headxx\n… 29,999 bytes cut …\nail"
