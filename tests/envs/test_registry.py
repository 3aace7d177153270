"""Environments by id: finding, making, mirroring into PettingZoo, and every mistake with its way out."""

import importlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import ClassVar, Required, TypedDict, Unpack

import pettingzoo
import pytest
from pettingzoo.env_registry.exceptions import NameNotFound

import marft_envs
from marft_envs import (
    FlexMG,
    MarftError,
    Outcome,
    OutdatedEnvironmentWarning,
    Profile,
    make,
    register,
    registered_ids,
    spec,
)
from marft_envs.errors import OptionError, RegistrationError, UnknownEnvironmentError
from marft_envs.flex_mg import BaseOptions
from marft_envs.options import known_options
from marft_envs.registry import EnvSpec


class Echo(FlexMG):
    """Rewards whoever says the word. The smallest environment that has options of its own."""

    metadata: ClassVar = {"name": "echo_v0"}
    levels = ("easy", "hard")

    def __init__(self, *, horizon: int = 2, word: str = "echo", **base: Unpack[BaseOptions]) -> None:
        base.setdefault("team", (Profile("caller"), Profile("answerer")))
        super().__init__(horizon=horizon, **base)
        self.word = word

    def view(self, agent: str) -> str:
        return f"{self.level} {self.rng.integers(10**6)}: say {self.word}"

    def act(self, agent: str, action: str) -> Outcome:
        return Outcome(rewards={agent: float(action == self.word)})


class Plain(pettingzoo.AECEnv):
    """An AEC environment of somebody else, who has never heard of FlexMG."""

    def __init__(self, board=3, *, render_mode=None):
        self.board = board
        self.render_mode = render_mode


def make_plain(size: int = 4) -> Plain:
    """A function works as an entry point as well."""
    return Plain(board=size)


class Wrong:
    """No environment at all."""


@pytest.fixture(autouse=True)
def registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test registers into copies, and leaves the real registries as they were."""
    monkeypatch.setattr("marft_envs.registry._specs", dict(sys.modules["marft_envs.registry"]._specs))
    before = dict(pettingzoo.aec_registry)
    yield
    pettingzoo.aec_registry.clear()
    pettingzoo.aec_registry.update(before)


@pytest.fixture
def echo() -> str:
    register("test/echo-v0", Echo)
    return "test/echo-v0"


def words_of(env: FlexMG) -> list[str]:
    """What is said to whom in the first round of episode 3, as one list."""
    env.reset(seed=3)
    said = []
    for agent in env.agent_iter(max_iter=2):
        said.append(env.observe(agent)["text"])
        env.step("echo")
    return said


# ------------------------------------------------------------------------------------------- finding


def test_every_id_of_the_suite_is_registered_here_and_in_pettingzoo() -> None:
    assert "math/reason_act-v0" in registered_ids()
    for env_id in registered_ids():
        assert spec(env_id).id == env_id
        assert pettingzoo.spec("aec", env_id).id == env_id


def test_a_spec_knows_its_parts() -> None:
    found = EnvSpec("math/reason_act-v12", "package.module:Class")
    assert (found.family, found.name, found.version) == ("math", "reason_act", 12)


def test_a_spec_is_a_value_that_can_be_hashed_and_pickled() -> None:
    found = EnvSpec("test/echo-v0", "package.module:Class", {"word": "hi", "levels": [1, 2]})
    assert pickle.loads(pickle.dumps(found)) == found
    assert hash(found) == hash(EnvSpec("test/echo-v0", "package.module:Class"))
    assert found != EnvSpec("test/echo-v0", "package.module:Class")


def test_an_id_without_version_means_the_newest_by_number() -> None:
    for version in (9, 10, 2):
        register(f"test/many-v{version}", make_plain, size=version)
    assert spec("test/many").id == "test/many-v10"
    assert make("test/many").board == 10
    with pytest.warns(OutdatedEnvironmentWarning, match="test/many-v2 is outdated.*test/many-v10 is the version"):
        assert make("test/many-v2").board == 2


def test_what_is_outdated_is_told_only_to_those_who_name_it(recwarn: pytest.WarningsRecorder) -> None:
    for version in (0, 1):
        register(f"test/echo-v{version}", Echo)
    env = make(spec("test/echo-v0"))  # as replay does
    assert env.spec.id == "test/echo-v0"
    make("test/echo-v1")
    make("test/echo")
    assert not recwarn.list


def test_an_old_log_replays_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    register("test/echo-v0", Echo)
    episode = marft_envs.play(make("test/echo-v0"), lambda agent, messages: "echo", seed=1)
    register("test/echo-v1", Echo)
    assert marft_envs.replay(episode) == episode
    assert not recwarn.list


def test_a_module_before_the_id_is_imported_and_registers_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "somebodys_envs.py").write_text(
        "import marft_envs\nfrom tests.envs.twins import Parcel\nmarft_envs.register('somebodys/parcel-v3', Parcel)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert spec("somebodys_envs:somebodys/parcel-v3").version == 3
    assert make("somebodys_envs:somebodys/parcel").spec.id == "somebodys/parcel-v3"
    with pytest.raises(UnknownEnvironmentError, match=r"did you mean 'somebodys/parcel-v3'"):
        make("somebodys_envs:somebodys/parsel-v3")


@pytest.mark.parametrize("module", ["no_such_module", ""])
def test_a_module_that_cannot_be_imported_is_told_with_the_form(module: str) -> None:
    with pytest.raises(RegistrationError, match=r"cannot import .*'a/b-v0'.*write package.module:family/name-vN"):
        make(f"{module}:a/b-v0")


def test_the_registry_prints_itself_by_family(capsys: pytest.CaptureFixture[str], echo: str) -> None:
    assert marft_envs.pprint_registry() is None
    printed = capsys.readouterr().out
    math = [env_id for env_id in marft_envs.registered_ids() if env_id.startswith("math/")]
    assert "\n".join(["===== math =====", *math, ""]) in printed
    assert printed == marft_envs.pprint_registry(disable_print=True) + "\n"
    assert printed.endswith("===== test =====\ntest/echo-v0\n")


def test_ids_are_listed_by_family_name_and_version() -> None:
    for env_id in ("test/b-v10", "test/b-v9", "test/a-v0", "aaa/z-v0"):
        register(env_id, make_plain)
    listed = [env_id for env_id in registered_ids() if env_id.startswith(("test/", "aaa/"))]
    assert listed == ["aaa/z-v0", "test/a-v0", "test/b-v9", "test/b-v10"]


def test_pettingzoos_spelling_of_versions_works_as_well() -> None:
    register("test/echo_v0", Echo)
    assert spec("test/echo_v0") is spec("test/echo-v0") is spec(" test/echo ")


@pytest.mark.parametrize(
    ("asked", "way_out"),
    [
        ("math/reson_act", r"unknown environment 'math/reson_act'; did you mean 'math/reason_act-v0'\?"),
        ("math/reson_act-v0", r"did you mean 'math/reason_act-v0'\?"),
        ("reason_act", r"did you mean 'math/reason_act-v0'\?"),
        ("maths/reason_act", r"did you mean 'math/reason_act-v0'\?"),
        ("math/reason_act-v999", r"its versions are math/reason_act-v0"),
        ("xyzzy", r"registered are .*math/reason_act-v0"),
        ("", r"registered are"),
        (None, r"unknown environment None"),
    ],
)
def test_an_unknown_id_is_answered_with_what_was_meant(asked, way_out: str) -> None:
    for question in (make, spec):
        with pytest.raises(UnknownEnvironmentError, match=way_out) as caught:
            question(asked)
        assert isinstance(caught.value, MarftError)
        assert isinstance(caught.value, LookupError)


# --------------------------------------------------------------------------------------- registering


def test_a_taken_id_is_refused(echo: str) -> None:
    with pytest.raises(RegistrationError, match=r"'test/echo-v0' is already registered.*next version"):
        register(echo, make_plain)
    assert spec(echo).entry_point is Echo


def test_an_id_that_belongs_to_somebody_else_in_pettingzoo_is_refused() -> None:
    with pytest.raises(RegistrationError, match="PettingZoo already has an environment 'classic/chess-v6'"):
        register("classic/chess-v6", make_plain)
    assert "classic/chess-v6" not in registered_ids()
    assert "chess" in str(pettingzoo.spec("aec", "classic/chess-v6").entry_point)


@pytest.mark.parametrize("env_id", ["echo-v0", "test/echo", "test/echo-v01", "a/b/c-v0", "test/é-v0", "test/-v0", ""])
def test_a_malformed_id_is_refused_with_the_form(env_id: str) -> None:
    with pytest.raises(RegistrationError, match=r"malformed environment id .* write 'family/name-vN'"):
        register(env_id, make_plain)


@pytest.mark.parametrize("entry_point", ["package.module", "package.module:", "path/to.py:Env", 3])
def test_a_malformed_entry_point_is_refused_with_the_form(entry_point) -> None:
    with pytest.raises(RegistrationError, match=r"malformed entry point .* write 'package.module:Class'"):
        register("test/broken-v0", entry_point)


def test_registering_imports_nothing() -> None:
    register("test/later-v0", "no_such_package.module:Env")
    assert spec("test/later-v0").entry_point == "no_such_package.module:Env"


@pytest.mark.parametrize(
    ("entry_point", "message"),
    [
        ("no_such_package.module:Env", r"cannot be loaded \(No module named 'no_such_package'\); correct it"),
        ("marft_envs.registry:NoSuchClass", r"cannot be loaded \(.*NoSuchClass"),
        ("marft_envs:__version__", r"is a str; name a class or a function"),
        (Wrong, r"made a Wrong, which is no pettingzoo.AECEnv"),
    ],
)
def test_an_entry_point_that_leads_nowhere_is_told_when_it_is_made(entry_point, message: str) -> None:
    register("test/nowhere-v0", entry_point)
    with pytest.raises(RegistrationError, match=rf"test/nowhere-v0: .*{message}"):
        make("test/nowhere-v0")


def test_an_entry_point_is_found_by_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "somebodys_game.py").write_text(
        "import pettingzoo\nclass Game(pettingzoo.AECEnv):\n    def __init__(self, size=2):\n        self.size = size\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    register("somebody/game-v0", "somebodys_game:Game", size=5)
    env = make("somebody/game-v0")
    assert env.size == 5
    assert env.spec == EnvSpec("somebody/game-v0", "somebodys_game:Game", {"size": 5})


# -------------------------------------------------------------------------------------------- making


def test_options_go_to_the_class_and_into_the_spec(echo: str) -> None:
    env = make(echo, word="hi", level="hard", horizon=7)
    assert (env.word, env.level, env.horizon) == ("hi", "hard", 7)
    assert env.spec == EnvSpec(echo, Echo, {"word": "hi", "level": "hard", "horizon": 7})


def test_registered_options_are_defaults_that_the_caller_can_replace() -> None:
    register("test/loud-v0", Echo, word="HEY", horizon=5)
    env = make("test/loud-v0", word="ho")
    assert (env.word, env.horizon) == ("ho", 5)
    assert env.spec.kwargs == {"word": "ho", "horizon": 5}
    assert spec("test/loud-v0").kwargs == {"word": "HEY", "horizon": 5}


def test_registered_options_are_not_shared_between_environments() -> None:
    class Collector(Plain):
        def __init__(self, *, items=()):
            super().__init__()
            self.items = items

    register("test/collector-v0", Collector, items=[])
    make("test/collector-v0").items.append("mine")
    assert make("test/collector-v0").items == []


def test_an_environments_spec_makes_another_one_like_it(echo: str) -> None:
    first = make(echo, word="hi", level="hard")
    again = make(first.spec)
    assert again.spec == first.spec
    assert words_of(again) == words_of(first)
    assert make(first.spec, word="ho").word == "ho"


def test_an_environment_of_somebody_else_gets_a_spec_too() -> None:
    register("somebody/plain-v0", Plain)
    env = make("somebody/plain-v0", board=9)
    assert isinstance(env, Plain)
    assert env.spec == EnvSpec("somebody/plain-v0", Plain, {"board": 9})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"levle": "hard"},
            r"echo-v0 has no option 'levle'; did you mean 'level'\? its options are .*level=None, .*word=",
        ),
        ({"xyzzy": 1}, r"has no option 'xyzzy'; its options are horizon=2, level"),
        ({"level": "hardest"}, r"hardest.*easy.*hard"),
        ({"split": "validation"}, r"validation.*train"),
        ({"horizon": 0}, r"horizon is 0"),
    ],
)
def test_a_wrong_option_is_answered_with_the_right_ones(echo: str, options: dict[str, object], message: str) -> None:
    for attempt in (lambda: make(echo, **options), lambda: pettingzoo.make("aec", echo, **options)):
        with pytest.raises(OptionError, match=message) as caught:
            attempt()
        assert isinstance(caught.value, MarftError)


def test_a_misspelt_option_of_a_plain_function_is_refused_too() -> None:
    register("test/function-v0", make_plain)
    with pytest.raises(OptionError, match=r"has no option 'sise'; did you mean 'size'\? its options are size=4"):
        make("test/function-v0", sise=3)


def test_a_missing_option_without_default_is_asked_for() -> None:
    def env(world, size=1):
        return Plain()

    register("test/needy-v0", env)
    with pytest.raises(OptionError, match=r"needs the option 'world'; its options are size=1, world \(required\)"):
        make("test/needy-v0")


def test_an_environment_without_options_says_so() -> None:
    register("test/none-v0", Wrong)
    with pytest.raises(OptionError, match=r"has no option 'size'; its options are none"):
        make("test/none-v0", size=1)


# -------------------------------------------------------------------------------- reading signatures


class Names(TypedDict, total=False):
    given: int
    needed: Required[int]


class Top:
    def __init__(self, *, given=1, needed=2, withheld=3):
        pass


class Middle(Top):
    """Has no constructor of its own."""


class Bottom(Middle):
    def __init__(self, *, own: int = 0, **rest: Unpack[Names]) -> None:
        pass


class Careless(Top):
    def __init__(self, *, own=0, **rest):
        pass


def forwarding(**rest: Unpack[Names]) -> None:
    pass


def with_annotations_as_text(own: "int" = 0, **rest: "Unpack[Names]") -> None:
    pass


def with_annotations_nobody_can_resolve(own: "NoSuchType" = 0) -> None:  # noqa: F821
    pass


def test_forwarded_options_are_found_along_the_bases_as_far_as_they_are_let_through() -> None:
    known = known_options(Bottom)
    assert str(known) == "given=1, needed=2, own=0"
    assert not known.is_open


def test_rest_without_unpack_may_mean_anything_so_nothing_is_refused() -> None:
    known = known_options(Careless)
    assert str(known) == "given=1, needed=2, own=0, withheld=3"
    assert known.is_open


def test_a_forwarding_function_has_the_options_that_it_lets_through() -> None:
    assert str(known_options(forwarding)) == "given=…, needed (required)"
    assert str(known_options(with_annotations_as_text)) == "given=…, needed (required), own=0"
    assert not known_options(forwarding).is_open


def test_annotations_that_cannot_be_resolved_do_no_harm() -> None:
    assert str(known_options(with_annotations_nobody_can_resolve)) == "own=0"


# ---------------------------------------------------------------------------------------- PettingZoo


def test_pettingzoo_makes_the_same_environment(echo: str) -> None:
    ours = make(echo, word="hi", level="hard")
    theirs = pettingzoo.make("aec", echo, word="hi", level="hard")
    assert type(theirs) is type(ours)
    assert theirs.spec == ours.spec
    assert words_of(theirs) == words_of(ours)


def test_pettingzoo_makes_the_newest_version_and_sees_registered_options() -> None:
    register("test/many-v1", make_plain, size=1)
    register("test/many-v2", make_plain, size=2)
    assert pettingzoo.make("aec", "test/many").board == 2
    assert pettingzoo.make("aec", "test/many", size=8).board == 8
    assert pettingzoo.spec("aec", "test/many_v1").kwargs == {"size": 1}


def test_pettingzoo_knows_nothing_that_is_not_registered() -> None:
    with pytest.raises(NameNotFound):
        pettingzoo.make("aec", "math/reson_act-v0")


def test_reloading_the_package_warns_of_nothing() -> None:
    importlib.reload(marft_envs)
    assert "math/reason_act-v0" in marft_envs.registered_ids()


def test_loading_the_package_anew_replaces_its_entries_in_pettingzoo_silently() -> None:
    program = """
import sys
import marft_envs, pettingzoo
first = pettingzoo.spec("aec", "math/reason_act-v0")
for name in [name for name in sys.modules if name.split(".")[0] == "marft_envs"]:
    del sys.modules[name]
import marft_envs
assert pettingzoo.spec("aec", "math/reason_act-v0") is not first
assert pettingzoo.spec("aec", "math/reason_act-v0").entry_point.func is marft_envs.make
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("option", ["horizn", "seed", "self"])
def test_an_option_that_an_environment_does_not_have_is_refused_on_the_clock_too(option):
    with pytest.raises(OptionError, match=f"no option '{option}'"):
        marft_envs.make("collab/kitchen-v0", **{option: 3})
