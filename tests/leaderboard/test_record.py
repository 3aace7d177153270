"""leaderboard/record.py: everybody reads the same in a record, and what is wrong with it is soon told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.errors import MalformedError, visible
from leaderboard.record import parsed, read_record, written
from leaderboard.schema import RECORD


@pytest.fixture
def content(tiny) -> bytes:
    return (tiny / RECORD).read_bytes()


def test_what_is_written_is_read_and_written_again(content):
    found = read_record(content)
    assert found.name == "Team 1"
    assert written({name: value for name, value in json.loads(content).items() if name != "digest"}) == content


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (b"", "Expecting value"),
        (b"\xef\xbb\xbf{}", "BOM"),
        ('{"a": 1}'.encode("utf-16"), "can't decode"),
        (b'{"a": "\xff"}', "can't decode"),
        (b'{"a": "\\ud800"}', "surrogates not allowed"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'{"a": 1e999}', "Out of range float"),
        (b'{"a": ' + b"9" * 1_000_000 + b"}", "a number has 1000000 digits; 32 are enough"),
        (b'{"a": 0.' + b"9" * 1_000_000 + b"}", "a number has 1000002 characters"),
        (b'{"a": 1, "a": 1}', "'a' is there twice"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "'b' is there twice"),
        (b"[" * 100_000, "recursion"),
        (b'{"a":' * 100_000, "recursion"),
        (b"[]", "the record is a list"),
        (b"null", "the record is a NoneType"),
        (b'{"a": 1} x', "Extra data"),
        (b"{'a': 1}", "Expecting property name"),
    ],
)
def test_what_is_no_object_that_all_read_alike_is_refused(wrong, message):
    with pytest.raises(MalformedError) as caught:
        parsed(wrong)
    assert message in str(caught.value)


def test_names_that_stand_there_twice_are_found_in_one_pass():
    names = ",".join(f'"n{number}":0' for number in range(200_000))
    with pytest.raises(MalformedError, match="'n199999' is there twice"):
        parsed(b"{" + names.encode() + b',"n199999":0}')


@pytest.mark.parametrize("values", [[{}] * 20_001, {str(number): 0 for number in range(20_001)}, [[[]] * 200] * 101])
def test_a_record_of_very_many_values_is_refused_before_each_is_looked_at(values):
    with pytest.raises(MalformedError, match="more than 20,000 values"):
        read_record(json.dumps({"tasks": values}).encode())


def test_a_field_is_named_where_it_stands_however_it_is_named(content):
    record = json.loads(content)
    record["tasks"][1]["\x1b[31m" + "x" * 1000] = 1
    with pytest.raises(MalformedError) as caught:
        read_record(json.dumps(record).encode())
    assert caught.value.field.startswith("tasks.1.\\x1b[31mxxx")
    assert len(caught.value.field) == 200 and len(str(caught.value)) <= 500


def test_a_change_behind_the_digest_is_found(content):
    with pytest.raises(MalformedError, match="something was changed after it was written") as caught:
        read_record(content.replace(b"a laptop", b"a deskto"))
    assert caught.value.field == "digest"


@given(
    st.dictionaries(st.text(max_size=5), st.one_of(st.integers(-(2**53), 2**53), st.text(max_size=9), st.booleans()))
)
def test_a_record_reads_back_whatever_it_holds(record):
    assert parsed(written(record)) == {**record, "digest": parsed(written(record))["digest"]}


@given(st.text(), st.integers(1, 50))
def test_what_is_shown_is_on_a_line_and_bounded(text, most):
    shown = visible(text, most)
    assert len(shown) <= most and shown.isprintable()
    if text.isprintable() and len(text) <= most:
        assert shown == text
