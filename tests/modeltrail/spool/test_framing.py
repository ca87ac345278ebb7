"""Whatever happens to a spool file's bytes, every whole frame is read."""

from hypothesis import given
from hypothesis import strategies as st
from modeltrail.spool.framing import decode_frames, encode_frame

PAYLOADS = st.lists(st.binary(max_size=40), max_size=6)


def test_the_bytes_of_a_frame_are_fixed() -> None:
    assert encode_frame(b'{"a":1}').hex() == "f56d743107000000" + "bed7cb89" + "7b2261223a317d"


@given(PAYLOADS)
def test_decoding_undoes_encoding(payloads: list[bytes]) -> None:
    data = b"".join(map(encode_frame, payloads))
    frames = decode_frames(data)
    assert [payload for payload, _ in frames.payloads] == payloads
    assert (frames.damages, frames.end) == ([], len(data))


@given(PAYLOADS.filter(bool))
def test_a_tail_torn_at_any_byte_costs_the_last_frame_only(payloads: list[bytes]) -> None:
    whole = b"".join(map(encode_frame, payloads[:-1]))
    last = encode_frame(payloads[-1])
    for cut in range(len(last)):
        frames = decode_frames(whole + last[:cut])
        assert [payload for payload, _ in frames.payloads] == payloads[:-1]
        assert (frames.damages, frames.end) == ([], len(whole))


@given(PAYLOADS.filter(lambda payloads: len(payloads) > 1), st.data())
def test_a_damaged_byte_costs_its_frame_only(payloads: list[bytes], data: st.DataObject) -> None:
    frames = [encode_frame(payload) for payload in payloads]
    index = data.draw(st.integers(0, len(frames) - 2))
    at = data.draw(st.integers(0, len(frames[index]) - 1))
    damaged = bytearray(frames[index])
    damaged[at] ^= data.draw(st.integers(1, 255))
    read = decode_frames(b"".join([*frames[:index], bytes(damaged), *frames[index + 1 :]]), offset=1_000)
    assert [payload for payload, _ in read.payloads] == payloads[:index] + payloads[index + 1 :]
    start = 1_000 + sum(map(len, frames[:index]))
    assert read.damages == [(start, start + len(frames[index]))]


def test_a_damaged_last_frame_is_told_from_a_torn_one() -> None:
    frame = bytearray(encode_frame(b"abc"))
    frame[-1] ^= 1
    assert decode_frames(bytes(frame)).damages == [(0, len(frame))]


def test_zeros_after_a_power_cut_are_damage_and_not_the_end() -> None:
    frames = decode_frames(encode_frame(b"a") + bytes(4096) + encode_frame(b"b"))
    assert [payload for payload, _ in frames.payloads] == [b"a", b"b"]
    assert len(frames.damages) == 1


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(data: bytes) -> None:
    frames = decode_frames(data)
    assert frames.end <= len(data)
