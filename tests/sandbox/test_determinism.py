"""Two runs of a program see the same time and the same chance, and neither is the machine's."""

import resource

import pytest

from marft_envs.sandbox.jail import plain
from marft_envs.sandbox.pool import Sandbox, default_sandbox
from marft_envs.sandbox.runs import Script

CLOCKS = {
    "time.time": "import time\nprint(time.time())",
    "time.strftime": "import time\nprint(time.strftime('%Y %c'))",
    "time.asctime": "import time\nprint(time.asctime())",
    "time.ctime": "import time\nprint(time.ctime())",
    "datetime.now": "import datetime\nprint(datetime.datetime.now())",
    "uuid1": "import uuid\nprint(2000, uuid.uuid1())",
    "os.times": "import os\nprint(2000, os.times())",
}
CHANCE = {
    "random.random": "import random\nprint(random.random())",
    "random.sample": "import random\nprint(random.sample(range(10**9), 3))",
    "a generator of its own": "import random\nprint(random.Random().random())",
    "the system's": "import random\nprint(random.SystemRandom().random())",
    "secrets": "import secrets\nprint(secrets.token_hex(8))",
    "uuid4": "import uuid\nprint(uuid.uuid4())",
    "os.urandom": "import os\nprint(os.urandom(8))",
    "hash": "print(hash('text'), {'some', 'words', 'in', 'a', 'set'})",
}
TWICE = CLOCKS | CHANCE


def printed(source: str, sandbox: Sandbox) -> str:
    run = sandbox.run(Script(source))
    assert (run.ending, run.error) == ("finished", "")
    return run.printed


@pytest.mark.parametrize("name", TWICE)
def test_runs_on_two_servers_see_the_same(name: str) -> None:
    other = Sandbox()
    try:
        assert printed(TWICE[name], default_sandbox()) == printed(TWICE[name], other) != ""
    finally:
        other.close()


@pytest.mark.parametrize("name", CHANCE)
def test_runs_on_one_server_see_the_same(name: str) -> None:
    source = TWICE[name]
    assert printed(source, default_sandbox()) == printed(source, default_sandbox())


@pytest.mark.parametrize("name", CLOCKS)
def test_it_is_the_year_2000(name: str) -> None:
    assert "2000" in printed(CLOCKS[name], default_sandbox()) or name == "time.time"


def test_a_time_that_is_told_is_written_as_it_is() -> None:
    source = "import time\nprint(time.strftime('%Y', (1987, *[1] * 8)), time.asctime((1987, *[1] * 8))[-4:])"
    assert printed(source, default_sandbox()) == "1987 1987\n"


def test_arguments_on_a_command_line_can_be_parsed() -> None:
    source = "import argparse\np = argparse.ArgumentParser()\np.add_argument('n')\nprint(p.parse_args(['3']).n)"
    assert printed(source, default_sandbox()) == "3\n"


@pytest.mark.parametrize("kind", [set, frozenset])
def test_a_set_goes_in_and_comes_out_in_one_order(kind: type) -> None:
    one, other = kind([0, 8, 16]), kind([16, 8, 0])
    assert list(one) != list(other), "no two orders of equal sets here"
    assert plain.encode(one) == plain.encode(other)
    assert plain.decode(plain.encode(other)) == one


def test_a_module_that_has_no_such_name_is_told_without_its_place_on_this_machine() -> None:
    error = default_sandbox().run(Script("from typing import Lst")).error
    assert error == "line 1: from typing import Lst\nImportError: cannot import name 'Lst' from 'typing'"


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_a_comprehension_has_no_line_of_its_own_in_a_traceback(brackets: str) -> None:
    before, behind = brackets
    source = f"def f(n):\n    return {before}\n        1 / k for k in n\n    {behind}\nf([0])\n"
    told = ["line 5: f([0])", "line 3, in f: 1 / k for k in n", "ZeroDivisionError: division by zero"]
    assert default_sandbox().run(Script(source)).error.splitlines() == told


DEEP = """
import functools, sys
sys.setrecursionlimit(10**6)
@functools.lru_cache(None)
def f(n):
    return n and f(n - 1) + 1
print(f(20_000))
"""
"""Through C, which takes room on the stack of the machine's own making."""


@pytest.mark.parametrize("stack_bytes", [2**20, 2**23])
def test_a_recursion_is_as_deep_as_it_can_be_whatever_stack_the_machine_gives(stack_bytes: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (stack_bytes, hard))
    sandbox = Sandbox()
    try:
        assert printed(DEEP, sandbox) == "20000\n"
    finally:
        sandbox.close()
        resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))
