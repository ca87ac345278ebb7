"""Where records go, and which are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail.errors import RecordTooLargeError
from modeltrail.log import Outgoing
from modeltrail.log.appending import check_sizes, choose_partition, murmur2, record_bytes


@given(st.binary(max_size=64), st.integers(1, 1000))
def test_a_key_goes_where_kafka_pythons_own_partitioner_sends_it(key, partitions):
    from kafka.partitioner.default import murmur2 as kafkas

    assert murmur2(key) == kafkas(key) & 0xFFFFFFFF
    assert choose_partition(key, partitions) == (kafkas(key) & 0x7FFFFFFF) % partitions


def test_murmur2_is_that_of_apache_kafka():
    # The values of org.apache.kafka.common.utils.UtilsTest.testMurmur2, unsigned.
    assert murmur2(b"21") == -973932308 & 0xFFFFFFFF
    assert murmur2(b"foobar") == -790332482 & 0xFFFFFFFF
    assert murmur2(b"a-little-bit-long-string") == -985981536 & 0xFFFFFFFF
    assert murmur2(b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8") == -58897971 & 0xFFFFFFFF


def test_key_value_and_headers_count():
    assert record_bytes(Outgoing(b"12345", b"123", (("ü", b"1"), ("h", b"")))) == 5 + 3 + 2 + 1 + 1
    assert record_bytes(Outgoing(b"")) == 0


def test_the_record_that_is_too_large_is_named():
    records = [Outgoing(b"1234"), Outgoing(b"1", b"1234")]
    check_sizes(records, 5)
    with pytest.raises(RecordTooLargeError, match="record 1 of the batch has 5 bytes; the log takes 4"):
        check_sizes(records, 4)
