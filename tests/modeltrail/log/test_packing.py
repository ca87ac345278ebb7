"""Headers in one column."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail.log.packing import pack_headers, unpack_headers

HEADERS = st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.binary())).map(tuple)


@given(HEADERS)
def test_headers_come_back_as_they_were(headers):
    assert unpack_headers(pack_headers(headers)) == headers


@given(HEADERS.filter(bool), st.data())
def test_packed_headers_that_were_cut_are_refused_or_shorter(headers, data):
    packed = pack_headers(headers)
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]
    with suppress(ValueError):
        assert len(unpack_headers(cut)) < len(headers)


def test_the_layout_is_as_documented():
    assert pack_headers((("h", b"\xff\x00"),)) == b"\x01\0\0\0h\x02\0\0\0\xff\x00"
    assert pack_headers(()) == b""


@pytest.mark.parametrize("damaged", [b"\x01", b"\x05\0\0\0ab", b"\x01\0\0\0h"])
def test_damaged_headers_are_refused(damaged):
    with pytest.raises(ValueError, match="packed headers end"):
        unpack_headers(damaged)
