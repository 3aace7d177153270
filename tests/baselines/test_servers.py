"""Agents that an OpenAI-compatible server plays; here the server is a thread of this process.

1. What is asked, and what becomes of the answers.
2. Requests go out together, bounded, and again where the server turned them away for the moment.
3. What cannot work is told with the way out.
4. From the command line: evaluation and play without any model here, training beside one.
"""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import marft_envs
from baselines.algorithms import imitation, marft_action
from baselines.cli import main
from baselines.errors import ConfigError, ServerError
from baselines.policies.engines.question import Question
from baselines.policies.engines.server import Server
from baselines.policies.team import Team
from baselines.rollouts.collect import Sampling, Task
from baselines.rollouts.stage import Stage
from baselines.runs.company import Company
from tests.baselines.toy_envs import Letters, Paced
from tests.foreign_env import Echo

AGENTS = ("writer_0", "editor_0", "critic_0")
SAMPLED = Sampling(0.9, 4, {"editor": 2}, seed=7)
ENV = "math/reason_act-v0"


@dataclass
class Stub:
    """What the server does, and what it was asked."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    refusals: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Statuses and errors of the next answers, before it answers properly."""
    waits_s: float = 0.0
    under_way: int = 0
    most_under_way: int = 0
    content: str | None = "so be it"
    num_choices: int = 1
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self.lock:
            self.asked.append(asked)
            if self.refusals:
                return self.refusals.pop(0)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        time.sleep(self.waits_s)
        with self.lock:
            self.under_way -= 1
        message = {"role": "assistant", "content": self.content}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        whole = {"id": "1", "object": "chat.completion", "created": 0, "model": asked["model"]}
        return 200, whole | {"choices": [choice] * self.num_choices}


def _handler(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            stub.keys.add(self.headers["Authorization"])
            length = int(self.headers["Content-Length"])
            self._send(*stub.answer(json.loads(self.rfile.read(length))))

        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": "tiny", "object": "model", "created": 0}]})

        def _send(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Retry-After-Ms", "1")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    stub = Stub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stub))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", stub.url)
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    yield stub
    server.shutdown()
    server.server_close()
    thread.join()


def question(text: str = "Go.", *, max_chars: int = 100) -> Question:
    return Question("writer_0", [{"role": "user", "content": text}], 5, max_chars, temperature=0.5)


def answers(server: Server, *questions: Question) -> list[str]:
    return server.ask(questions or [question()])()


def error(status: int, message: str = "because") -> tuple[int, dict[str, Any]]:
    return status, {"error": {"message": message, "type": "some_error", "code": None, "param": None}}


def server_for_writer(**options: Any) -> Server:
    return Server({"writer_0": "tiny"}, **{"max_requests": 4, "num_retries": 2, **options})


# --- 1. Questions and answers ---


def test_a_server_reads_the_agents_messages_in_turns_and_its_own_bounds(stub: Stub) -> None:
    collector = Stage(Letters, num_envs=1, served=dict.fromkeys(AGENTS, "tiny")).collector(None)
    (rollout,) = collector.collect([Task(3)], SAMPLED).rollouts
    assert [turn.text for turn in rollout.turns] == ["so be it"] * 6
    assert [asked["max_tokens"] for asked in stub.asked] == [4, 2, 4] * 2
    assert {(asked["model"], asked["temperature"]) for asked in stub.asked} == {("tiny", 0.9)}
    assert stub.keys == {"Bearer a key"}
    first, again = stub.asked[0]["messages"], stub.asked[3]["messages"]
    assert [message["role"] for message in first] == ["system", "user"]
    assert [message["role"] for message in again] == ["system", "user", "assistant", "user"]
    assert again[:2] == first
    assert again[2] == {"role": "assistant", "content": "so be it"}
    assert "editor_0:\n> so be it" in again[3]["content"]  # what others said is quoted under their names


def test_manners_of_a_role_are_asked_of_a_server_too(stub: Stub) -> None:
    sampling = replace(SAMPLED, temperature_by_role={"critic": 0.3}, stop_by_role={"writer": "."})
    Stage(Letters, num_envs=1, served=dict.fromkeys(AGENTS, "tiny")).collector(None).collect([Task(3)], sampling)
    assert [(asked["temperature"], asked.get("stop")) for asked in stub.asked[:3]] == [
        (0.9, "."),
        (0.9, None),
        (0.3, None),
    ]


def test_an_answer_that_is_too_long_is_cut_and_a_refusal_is_silence(stub: Stub) -> None:
    assert answers(server_for_writer(), question(max_chars=5)) == ["so be"]
    stub.content = None
    assert answers(server_for_writer()) == [""]


def test_the_bound_has_the_name_that_the_server_knows(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1")
    assert server_for_writer()._bound == "max_completion_tokens"
    monkeypatch.setenv("OPENAI_BASE_URL", stub.url)
    assert server_for_writer()._bound == "max_tokens"


def test_a_team_plays_beside_a_server_as_it_does_beside_a_script(stub: Stub, load_team: Callable[..., Team]) -> None:
    team = load_team("writer_0", "critic_0")
    tasks = [Task(seed) for seed in range(3)]
    served = Stage(Letters, num_envs=2, reads_final_prompts=True, served={"editor_0": "tiny"}).collector(team)
    scripts = {"editor_0": lambda env, agent: "so be it"}
    scripted = Stage(Letters, num_envs=2, reads_final_prompts=True, scripts=scripts).collector(team)
    one, other = served.collect(tasks, SAMPLED), scripted.collect(tasks, SAMPLED)
    for turn, wanted in zip(one.turns(), other.turns(), strict=True):
        assert (turn.agent, turn.text, turn.action_ids) == (wanted.agent, wanted.text, wanted.action_ids)
        assert (turn.state, turn.observation, turn.rewards) == (wanted.state, wanted.observation, wanted.rewards)
        assert turn.logprobs == pytest.approx(wanted.logprobs, abs=1e-4)
    assert [rollout.final_features.keys() for rollout in one.rollouts] == [{"writer_0", "critic_0"}] * 3


@pytest.mark.parametrize("make", [Paced, Echo])
def test_other_kinds_of_environments_can_be_served(stub: Stub, make: Callable[[], Any]) -> None:
    agents = Stage(make, num_envs=1).make_env().possible_agents
    collector = Stage(make, num_envs=1, served=dict.fromkeys(agents, "tiny")).collector(None)
    (rollout,) = collector.collect([Task(1)], SAMPLED).rollouts
    assert {turn.text for turn in rollout.turns} == {"so be it"}


# --- 2. Together, and again ---


def test_a_ticks_requests_go_out_together_but_not_too_many(stub: Stub) -> None:
    stub.waits_s = 0.1
    served = dict.fromkeys(AGENTS, "tiny")
    stage = Stage(partial(Letters, shape="together", horizon=1), num_envs=4, served=served, max_requests=5)
    stage.collector(None).collect([Task(seed) for seed in range(4)], SAMPLED)
    assert len(stub.asked) == 12
    assert stub.most_under_way == 5


def test_answers_come_back_in_the_order_of_the_questions(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    def late_first(asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        said = asked["messages"][-1]["content"]
        time.sleep(0.2 if said == "0" else 0.0)
        message = {"role": "assistant", "content": said}
        whole = {"id": "1", "object": "chat.completion", "created": 0, "model": "tiny"}
        return 200, whole | {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}

    monkeypatch.setattr(stub, "answer", late_first)
    assert answers(server_for_writer(), *(question(str(number)) for number in range(4))) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_what_a_server_turns_away_for_the_moment_is_asked_again(stub: Stub, status: int) -> None:
    stub.refusals = [error(status), error(status)]
    assert answers(server_for_writer()) == ["so be it"]
    assert len(stub.asked) == 3


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.policies.engines.server._TIMEOUT_S", 0.2)
    server = server_for_writer(num_retries=1)
    stub.waits_s = 0.6
    with pytest.raises(ServerError, match="no answer from"):
        answers(server)
    assert len(stub.asked) == 2


def test_after_an_error_what_was_not_sent_is_not_sent_any_more(stub: Stub) -> None:
    stub.refusals = [error(400)]
    with pytest.raises(ServerError):
        answers(server_for_writer(max_requests=1), *[question()] * 50)
    time.sleep(0.1)
    assert len(stub.asked) < 10


# --- 3. Mistakes ---


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (error(401, "wrong key"), r"refuses the key in OPENAI_API_KEY: .*wrong key.*Set one that may use 'tiny'"),
        (error(403, "not yours"), r"refuses the key in OPENAI_API_KEY"),
        (error(404, "no such model"), r"has no model 'tiny': .*no such model.* It has tiny"),
        (error(429, "no credit"), r"did so 3 times: .*no credit.*--server-requests smaller"),
        (error(503, "on fire"), r"failed 3 times: .*on fire.*the server's own log"),
        (error(400, "temperature is fixed"), r"does not take what was asked of 'tiny': .*temperature is fixed"),
    ],
)
def test_what_a_server_refuses_for_good_is_told_with_the_way_out(
    stub: Stub, refusal: tuple[int, dict[str, Any]], told: str
) -> None:
    stub.refusals = [refusal] * 3
    with pytest.raises(ServerError, match=told) as caught:
        answers(server_for_writer())
    assert stub.url in str(caught.value)


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with pytest.raises(ServerError, match=r"no answer from http://127\.0\.0\.1:9/v1/: .*OPENAI_BASE_URL"):
        answers(server_for_writer(num_retries=0))


def test_without_a_key_nothing_is_asked(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ServerError, match=r"no key for the server that plays writer_0: set OPENAI_API_KEY"):
        server_for_writer()


def test_an_answer_without_a_choice_is_an_error(stub: Stub) -> None:
    stub.num_choices = 0
    with pytest.raises(ServerError, match="without a choice"):
        answers(server_for_writer())


def test_a_server_needs_the_name_of_a_model() -> None:
    with pytest.raises(ConfigError, match="writer_0 is to be played by 'openai:', which names no model"):
        Company.named({"writer": "openai:"}, AGENTS)


def test_imitation_refuses_agents_without_a_reference(stub: Stub, tiny_model: Path, tmp_path: Path) -> None:
    config = imitation.Config(
        env_id="tests.baselines.toy_envs:ToldLetters",
        model=str(tiny_model),
        replace={"editor": "openai:tiny"},
        run_dir=tmp_path / "run",
        eval_instances=0,
    )
    with pytest.raises(ConfigError, match=r"editor_0 are played by a server.*--replace AGENT reference"):
        imitation.train(config, quiet=True)


def test_a_server_cannot_be_made_to_speak(stub: Stub, tiny_model: Path, tmp_path: Path) -> None:
    config = marft_action.Config(
        env_id="tests.baselines.toy_envs:Letters",
        model=str(tiny_model),
        replace={"editor": "openai:tiny"},
        must_speak=("editor",),
        run_dir=tmp_path / "run",
    )
    with pytest.raises(ConfigError, match="must_speak names editor_0, which a server plays"):
        marft_action.train(config, quiet=True)


def test_tokens_of_servers_cannot_be_equalled(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--env-id", ENV, "--level", "two_digit", "--equal-tokens-to", "9", "--temperature", "0.7"]
    assert main([*words, "--replace", "reasoner", "openai:tiny", "actor", "reference"]) == 2
    assert "how many a server writes for reasoner_0 is not known" in " ".join(capsys.readouterr().err.split())


def test_a_team_without_anybody_here_cannot_be_trained(tiny_model: Path, tmp_path: Path) -> None:
    replaced = {"writer": "openai:tiny", "editor": "untrained", "critic": "silent"}
    config = marft_action.Config(
        env_id="tests.baselines.toy_envs:Letters", model=str(tiny_model), replace=replaced, run_dir=tmp_path / "run"
    )
    with pytest.raises(ConfigError, match="nobody to train"):
        marft_action.train(config, quiet=True)


# --- 4. From the command line ---


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loads a model fails."""
    monkeypatch.setattr(Team, "load", lambda *_, **__: pytest.fail("a model was loaded"))


@pytest.mark.usefixtures("no_model")
def test_a_team_of_servers_is_evaluated_without_a_model_here_and_its_log_replays(
    stub: Stub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "episodes.jsonl"
    words = ["evaluate", "--env-id", ENV, "--level", "two_digit", "--instances", "3", "--log", str(log)]
    assert main([*words, "--replace", "reasoner", "openai:tiny", "actor", "openai:other"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "reasoner: openai:tiny actor: openai:other" in shown
    assert Counter(asked["model"] for asked in stub.asked).keys() == {"tiny", "other"}
    assert {asked["temperature"] for asked in stub.asked} == {0.0}
    assert main(["replay", str(log)]) == 0
    assert "3 of 3 episodes come out exactly as logged." in capsys.readouterr().out
    said = {turn.action for episode in marft_envs.read_log(log) for turn in episode.turns}
    assert said == {"so be it"}


@pytest.mark.usefixtures("no_model")
def test_an_evaluation_of_servers_as_json_names_no_model(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--env-id", ENV, "--level", "two_digit", "--instances", "1", "--json"]
    assert main([*words, "--replace", "reasoner", "openai:tiny", "actor", "reference"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["model"] is None
    assert result["mean"] == 1.0


def test_an_evaluation_says_whom_nobody_plays(stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--env-id", ENV, "--level", "two_digit", "--replace", "reasoner", "openai:tiny"]
    assert main(words) == 2
    assert re.search(r"nobody plays actor_0; give --model NAME", capsys.readouterr().err)


@pytest.mark.usefixtures("no_model")
def test_servers_are_watched_and_played_with(
    stub: Stub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "episodes.jsonl"
    words = ["play", ENV, "--seed", "3", "--env-options", "horizon", "1", "--log", str(log)]
    assert main([*words, "--replace", "reasoner", "openai:tiny", "actor", "openai:tiny"]) == 0
    shown = capsys.readouterr().out
    assert "reasoner_0 and actor_0 are played by openai:tiny." in shown
    assert "> so be it" in shown
    assert main([*words, "--replace", "reasoner", "openai:tiny"]) == 0  # the reference plays whom nobody was named for
    shown = capsys.readouterr().out
    assert "reasoner_0 is played by openai:tiny." in shown
    assert "actor_0 is played by the reference" in shown
    assert main(["replay", str(log)]) == 0


def test_a_team_is_trained_and_evaluated_beside_a_server(stub: Stub, tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    config = marft_action.Config(
        env_id="tests.baselines.toy_envs:Letters",
        model=str(tiny_model),
        replace={"editor": "openai:tiny"},
        run_dir=folder,
        num_iterations=2,
        episodes_per_iteration=4,
        max_new_tokens=3,
        eval_instances=2,
        few_shot=0,
        bootstrap_truncated=True,
        critic_input="observation",
    )
    marft_action.train(config, quiet=True)
    assert sorted(path.name for path in (folder / "checkpoints" / "final").iterdir() if path.is_dir()) == [
        "critic_0",
        "writer_0",
    ]
    assert main(["evaluate", str(folder), "--instances", "1"]) == 0


def test_a_run_whose_server_fails_says_how_to_go_on_and_does(
    stub: Stub, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    words = ["--env-id", "tests.baselines.toy_envs:Letters", "--model", str(tiny_model), "--run-dir", str(folder)]
    words += [
        "--num-iterations",
        "3",
        "--episodes-per-iteration",
        "2",
        "--max-new-tokens",
        "2",
        "--eval-instances",
        "0",
    ]
    work = stub.answer

    def fail_later(asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return work(asked) if len(stub.asked) < 6 else error(400, "no more today")  # an iteration asks four times

    stub.answer = fail_later  # type: ignore[method-assign]
    assert main(["train", *words, "--replace", "editor", "openai:tiny"]) == 2
    shown = capsys.readouterr()
    assert "no more today" in shown.err
    assert f"Go on with: marft train --resume {folder}" in " ".join(shown.out.split())
    stub.answer = work  # type: ignore[method-assign]
    assert main(["train", "--resume", str(folder)]) == 0
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 3
