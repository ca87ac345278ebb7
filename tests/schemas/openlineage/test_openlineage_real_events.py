"""Documents that other people's producers really sent."""

import json
from dataclasses import replace

from modeltrail_schemas.codec import decode, decode_routing, encode
from modeltrail_schemas.openlineage.reading import read
from modeltrail_schemas.openlineage.writing import write
from schemas.openlineage.test_openlineage_writing import assert_valid


def test_each_real_document_is_read_and_given_back_byte_for_byte(real_documents: dict[str, bytes]) -> None:
    for path, document in real_documents.items():
        event = read(document)
        message = encode(event)
        assert decode(message) == event, path
        assert encode(decode(message)) == message, path
        assert decode_routing(message).event_id == event.event_id, path
        assert write(decode(message)) == document, path


def test_the_id_of_a_real_document_is_that_of_its_content(real_documents: dict[str, bytes]) -> None:
    for path, document in real_documents.items():
        parsed = json.loads(document, parse_float=_Spelled)
        reordered = json.dumps(dict(reversed(parsed.items())), indent=3, ensure_ascii=False).encode()
        assert read(reordered).event_id == read(document).event_id, path


class _Spelled(float):
    """A number whose spelling Python keeps by itself, which the test asserts."""

    def __new__(cls, text: str) -> "_Spelled":
        assert repr(float(text)) == text, f"{text} would be spelled otherwise"
        return super().__new__(cls, text)


def test_different_real_documents_are_different_events(real_documents: dict[str, bytes]) -> None:
    contents = {json.dumps(json.loads(document), sort_keys=True) for document in real_documents.values()}
    assert len({read(document).event_id for document in real_documents.values()}) == len(contents)


def test_what_is_read_from_a_real_document_can_be_told_by_an_event_of_ours(real_documents: dict[str, bytes]) -> None:
    for path, document in real_documents.items():
        event = replace(read(document), document=None)
        assert_valid(write(event))
        assert read(write(event)) == event, path
        assert decode(encode(event)) == event, path
