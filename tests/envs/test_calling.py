"""What an orchestrator's words mean."""

import pytest

from marft_envs.calling import Call, called

AGENTS = ("calendar_0", "ticket_0", "ticket_1", "debug-er_0")


@pytest.mark.parametrize(
    ("words", "agents"),
    [
        ("call: ticket_0", ["ticket_0"]),
        ("call: ticket_1, calendar_0", ["calendar_0", "ticket_1"]),  # in the order of the team
        ("Call:TICKET_0 and calendar_0, please.", ["calendar_0", "ticket_0"]),
        ("I think so.\ncall: ticket_0\ncall: calendar_0", ["ticket_0"]),  # the first line decides
        ("calendar_0 has said all.\ncall: ticket_0", ["ticket_0"]),  # names elsewhere do not
        ("call: ticket", ["ticket_0", "ticket_1"]),  # a role means all of it
        ("call: ticket_0, ticket_0", ["ticket_0"]),
        ("call: ticket_2, calendar_0", ["calendar_0"]),
        ("call: nobody\nLet ticket_1 work.", ["ticket_1"]),
        ("ticket_1 should be asked", ["ticket_1"]),
        ("ask debug-er_0", ["debug-er_0"]),
        ("call: debug-er", ["debug-er_0"]),
    ],
)
def test_those_who_are_named_are_called(words: str, agents: list[str]) -> None:
    assert called(words, AGENTS) == Call(tuple(agents))
    assert not Call(tuple(agents)).is_done


@pytest.mark.parametrize("words", ["done", " Done. ", "call: done", "Well.\ndone\ncall: ticket_0", "**done**"])
def test_done_calls_nobody(words: str) -> None:
    call = called(words, AGENTS)
    assert call == Call(())
    assert call.is_done


@pytest.mark.parametrize(
    "words", ["", "call:", "call: everybody", "I am done here", "debug it", "tickets", "ticket_00", "my-ticket_0"]
)
def test_text_that_names_nobody_means_nothing(words: str) -> None:
    assert called(words, AGENTS) is None


def test_nobody_can_be_called_but_those_who_are_given() -> None:
    assert called("call: calendar_0", ("ticket_0",)) is None
    assert called("call: calendar_0, ticket_0", ("ticket_0",)) == Call(("ticket_0",))


def test_where_nobody_can_be_called_nobody_is() -> None:
    assert called("", ()) is None
    assert called("call: calendar_0", ()) is None


@pytest.mark.parametrize("words", ["call: t\u0131cket_0", "T\u0130CKET_0, please", "call: debug-er_0\u017f"])
def test_letters_that_only_look_like_those_of_a_name_call_nobody(words: str) -> None:
    assert called(words, AGENTS) is None
