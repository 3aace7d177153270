"""What a program writes is a value here, whatever it is; what a person writes wrongly is a typed error."""

import sys
import time
from pathlib import Path

import pytest

from marft_envs.errors import OptionError, SandboxUnavailableError
from marft_envs.sandbox import backend, selftest
from marft_envs.sandbox import worker as workers
from marft_envs.sandbox.jail import plain
from marft_envs.sandbox.pool import Sandbox, default_sandbox
from marft_envs.sandbox.runs import Calls, Limits, NotPlain, Raised, Returned, Run, Script

CALLS = ((1,), (2,))
DONE = b'{"t":["done"]}\n'


def forged(results: bytes, code: int = 0) -> Run:
    """The run of a program that writes its results itself, and ends."""
    source = f"import os\nos.write(3, {results!r})\nos._exit({code})\ndef f(n): return n"
    return default_sandbox().run(Calls(source, "f", CALLS))


def value(json: str) -> bytes:
    return b'{"t":["value",' + json.encode() + b"]}\n"


ONE, TWO = value("1"), value("2")


def test_forged_outcomes_are_the_programs_own_word():
    run = forged(ONE + TWO + DONE)
    assert run.ending == "finished" and run.outcomes == (Returned(1), Returned(2))


@pytest.mark.parametrize(
    "results",
    [
        b"",
        DONE,
        ONE + DONE,
        ONE + TWO + ONE + DONE,
        ONE + b'{"t":["error","e"]}\n' + DONE,
        b'{"t":["error","e"]}\n' + ONE + TWO + DONE,
        b'{"t":["error",""]}\n' + DONE,
        b"!\n" + ONE + TWO + DONE,
        ONE + TWO,
        ONE + TWO + b'{"t":["done",1]}\n',
        ONE + TWO + b'["done"]\n',
        b"\n" + ONE + TWO + DONE,
    ],
)
def test_end_without_one_outcome_of_each_call_is_no_end(results: bytes):
    run = forged(results)
    assert run.ending == "exited" and len(run.outcomes) <= len(CALLS)


def test_outcomes_of_a_script_are_not_read():
    run = default_sandbox().run(Script(f"import os\nos.write(3, {ONE + DONE!r})\nos._exit(0)"))
    assert run.ending == "exited" and run.outcomes == ()


@pytest.mark.parametrize(
    "body",
    [
        '{"f":"0x1p99999"}',
        '{"c":["0x1p99999","0x0p0"]}',
        '{"c":["0x0p0"]}',
        '{"c":"12"}',
        '{"i":"zz"}',
        '{"i":5}',
        '{"b":"\xe9"}',
        '{"d":[[[],1]]}',
        '{"d":[[{"d":[]},1]]}',
        '{"d":[1]}',
        '{"d":{"f":"0x0p0"}}',
        '{"s":[[]]}',
        '{"s":[{"s":[]}]}',
        '{"z":[[]]}',
        '{"q":[]}',
        '{"t":[],"s":[]}',
        "{}",
        "1.5",
        "1e999",
        "NaN",
        "-Infinity",
        "9" * 5000,
        "[" * 500 + "]" * 500,
        "[" * 100_000,
        '{"t":[' * 200 + "]}" * 200,
        '"\\ud8"',
        '"\x00"',
    ],
)
def test_value_that_is_none_ends_the_reading(body: str):
    run = forged(value(body) + ONE + TWO + DONE)
    assert run.ending == "exited" and run.outcomes == ()
    with pytest.raises(plain.NotPlainError):
        plain.decode(body.encode())


def items_of_one_hash(number: int) -> str:
    return ",".join(f'{{"i":"{index * (2**61 - 1):x}"}}' for index in range(1, number))


@pytest.mark.parametrize("form", ['{{"s":[{}]}}', '{{"z":[{}]}}', '{{"d":[{}]}}'])
def test_keys_that_were_made_to_have_one_hash_cost_no_time(form: str):
    items = items_of_one_hash(30_000)
    if "d" in form:
        items = ",".join(f"[{item},0]" for item in items.split(","))
    began = time.process_time()
    with pytest.raises(plain.NotPlainError, match="hash"):
        plain.decode(form.format(items).encode())
    assert time.process_time() - began < 2.0  # without the rule it takes 10


def test_decimals_cost_no_time_even_where_python_would_read_any_number_of_them():
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        began = time.process_time()
        with pytest.raises(plain.NotPlainError, match="decimals"):
            plain.decode(b"9" * 2**20)
        assert time.process_time() - began < 1.0  # without the rule it takes 5
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize("number", [0, -1, 2**53 - 1, -(2**53) + 1, 2**53, -(2**53), 10**30, -(10**4000)])
def test_integers_of_any_size_come_out_as_they_went_in(number: int):
    assert plain.decode(plain.encode(number)) == number


def test_many_keys_of_different_hashes_are_plain():
    number = set(range(50_000))
    assert plain.decode(plain.encode(number)) == number


def test_a_million_empty_sets_cost_little():
    began = time.process_time()
    assert len(plain.decode(b"[" + b",".join([b'{"s":[]}'] * 10**5) + b"]")) == 10**5  # type: ignore[arg-type]
    assert time.process_time() - began < 5.0


def test_texts_of_a_program_can_be_stored_and_are_not_endless():
    run = forged(b'{"t":["raised","\\ud800%s"]}\n{"t":["not plain","\\udfff"]}\n' % (b"x" * 10**5) + DONE)
    raised, not_plain = run.outcomes
    assert isinstance(raised, Raised) and isinstance(not_plain, NotPlain)
    assert raised.traceback.encode().startswith(b"?x") and len(raised.traceback) == 2000
    assert not_plain.type_name == "?"
    error = forged(b'{"t":["error","\\ud800%s"]}\n' % (b"x" * 10**5) + DONE).error
    assert error.encode().startswith(b"?x") and len(error) == 2000


def test_half_a_surrogate_pair_in_a_program_and_its_input_is_no_error_here():
    run = default_sandbox().run(Calls("def f(): return '\udc80'", "f", ((),)))
    assert run.error or run.outcomes
    run = default_sandbox().run(Calls("def f(text): return text", "f", (("\udc80",),)))
    assert run.outcomes == (Returned("\udc80"),)
    assert default_sandbox().run(Script("print(input())", "a\udc80")).printed == "a?\n"
    assert default_sandbox().run(Script("x = '\x00'")).error


def test_value_that_holds_line_ends_is_one_outcome():
    run = default_sandbox().run(Calls("def f(text): return text", "f", (("a\nb\r\u2028\x85",), ("\n" * 100,))))
    assert run.outcomes == (Returned("a\nb\r\u2028\x85"), Returned("\n" * 100))


def test_large_job_goes_in_and_comes_out():
    text = "x" * (4 * 2**20)
    run = default_sandbox().run(
        Calls("def f(text): return text", "f", ((text,),)), Limits(output_bytes=8 * 2**20, cpu_s=20.0, wall_s=60.0)
    )
    assert run.outcomes == (Returned(text),)


def test_random_numbers_are_the_same_in_every_process():
    job = Calls(
        "import random, secrets, uuid, os\n"
        "def f(): return (random.random(), random.Random().random(), secrets.token_hex(4), uuid.uuid4().hex,\n"
        "                  os.urandom(4))",
        "f",
        ((),),
    )
    sandboxes = Sandbox(), Sandbox()
    runs = [sandbox.run(job).outcomes for sandbox in sandboxes for _ in range(3)]
    assert len(set(map(str, runs))) == 1 and isinstance(runs[0][0], Returned)
    for sandbox in sandboxes:
        sandbox.close()


# ---- a person's mistakes


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("name", ["cpu_s", "wall_s"])
@pytest.mark.parametrize("seconds", [0, 0.0, -1.0, float("nan"), float("inf"), 10**7, "1", None, True])
def test_limits_of_time_are_positive_and_finite(name: str, seconds: object):
    with pytest.raises(OptionError, match=name):
        Limits(**{name: seconds})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["memory_bytes", "output_bytes"])
@pytest.mark.parametrize("size", [0, -1, 2**63, 1.5, None, True])
def test_limits_of_size_are_positive_integers(name: str, size: object):
    with pytest.raises(OptionError, match=name):
        Limits(**{name: size})  # type: ignore[arg-type]


def test_longest_limits_work():
    limits = Limits(cpu_s=10**6, wall_s=10**6, memory_bytes=2**46, output_bytes=2**30)
    assert default_sandbox().run(Script("print(1)"), limits).printed == "1\n"


def test_slower_limits_are_checked_too():
    with pytest.raises(OptionError, match="cpu_s"):
        Limits().slower(0.0)


def nest(depth: int) -> list[object]:
    found: list[object] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize("argument", [object(), len, {1: [object()]}, nest(200), range(3)])
def test_argument_that_is_not_plain_is_a_typed_error(argument: object):
    sandbox = Sandbox()
    before = open_files()
    with pytest.raises(OptionError, match="plain data"):
        sandbox.run_all([Calls("def f(a): pass", "f", ((argument,),))] * 2)
    assert open_files() == before
    assert sandbox.run(Script("print(1)")).printed == "1\n"
    sandbox.close()


@pytest.mark.parametrize("executable", ["", None, "/nowhere/python", "/etc/passwd", "/dev/null/python"])
def test_interpreter_that_cannot_be_started_is_named(executable: str | None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.executable", executable)
    selftest.require_walls.cache_clear()
    before = open_files()
    began = time.monotonic()
    with pytest.raises(SandboxUnavailableError, match="executable"):
        Sandbox().run(Script(""))
    assert time.monotonic() - began < 2.0
    assert open_files() == before


def test_program_that_is_no_python_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.executable", "/bin/ls")
    with pytest.raises(SandboxUnavailableError, match="did not start with /bin/ls"):
        workers.Worker()


def test_machine_without_processes_to_spare_is_asked_again_and_refused(monkeypatch: pytest.MonkeyPatch):
    def no_process(*_: object, **__: object) -> object:
        tries.append(1)
        raise BlockingIOError(11, "Resource temporarily unavailable")

    tries: list[int] = []
    monkeypatch.setattr(workers.subprocess, "Popen", no_process)
    monkeypatch.setattr(backend, "PAUSES_S", (0.0, 0.0))
    with pytest.raises(SandboxUnavailableError, match="no process can be started"):
        workers.started()
    assert len(tries) == 3
