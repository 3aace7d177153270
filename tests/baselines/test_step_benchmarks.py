"""The benchmarks of the training step run, compare what they say they compare, and keep their numbers.

TRL and CoMLRL are no part of the tests' environment, so TRL's half of `whole_step` is not among them, and CoMLRL's half
of `beside_comlrl` is in `tests/peers`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers.utils.logging import enable_progress_bar

from baselines.policies.adapted import Compute
from baselines.policies.engines.hf import Request
from baselines.policies.engines.products import has_both
from baselines.policies.team import Team
from benchmarks import (
    beside_comlrl,
    critic,
    few_rows,
    measuring,
    memory,
    rollout,
    scaling,
    sequences,
    update,
    whole_step,
)
from benchmarks.sequences import Said
from tests.baselines.conftest import perturb

Measure = Callable[..., list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    """Benchmarks set up their own process; here it is everybody's."""
    before = torch.get_float32_matmul_precision(), torch.get_num_threads(), torch.get_rng_state()
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.set_num_threads(before[1])
    torch.set_rng_state(before[2])
    enable_progress_bar()


@pytest.fixture
def measure(tiny_model: Path, tmp_path: Path) -> Measure:
    """Runs a benchmark in its smallest size and returns what it kept."""

    def run(main: Callable[[list[str]], None], *words: str) -> list[dict[str, Any]]:
        kept = tmp_path / "results" / "numbers.json"
        main(["--model", str(tiny_model), "--quick", "--repeats", "2", "--json", str(kept), *words])
        record = json.loads(kept.read_text(encoding="utf-8"))
        assert record["threads"] == 1 and record["versions"]["torch"] == torch.__version__
        results: list[dict[str, Any]] = record["results"]
        return results

    return run


def test_contestants_run_by_turns_and_warming_up_does_not_count() -> None:
    ran: list[str] = []
    contestants = [measuring.Contestant(name, lambda name=name: ran.append(name)) for name in "ab"]
    times = measuring.alternate(contestants, repeats=2, warmup=1)
    assert "".join(ran) == "ab" * 3
    assert [(own.name, len(own.cpu_s), len(own.wall_s)) for own in times] == [("a", 2, 2), ("b", 2, 2)]


def test_a_ratio_is_of_medians_and_its_range_is_of_repeats() -> None:
    one, other = measuring.Times("one", [1.0, 2.0, 9.0]), measuring.Times("other", [4.0, 4.0, 4.5])
    assert measuring.ratio(one, other) == ["0.50×", "0.25–2.00"]  # 2 of 4; 1 of 4 up to 9 of 4.5


def test_a_table_can_be_pasted_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    measuring.show("Title", ["name", "CPU-s"], [["a", "1.25"]], markdown=True)
    assert capsys.readouterr().out == "\nTitle\n\n| name | CPU-s |\n|---|--:|\n| a | 1.25 |\n"


def test_prompts_have_the_length_asked_for_share_the_system_text_and_differ(load_team: Callable[..., Team]) -> None:
    team = load_team("reasoner_0")
    prompts = sequences.chat_prompts(team, 3, 160)
    assert [len(prompt) for prompt in prompts] == [160] * 3
    assert len({tuple(prompt) for prompt in prompts}) == 3
    texts = [team.base.tokenizer.decode(prompt) for prompt in prompts]
    head = f"<|im_start|>system\n{sequences.SYSTEM}<|im_end|>\n<|im_start|>user\nWhat is "
    assert all(text.startswith(head) and text.endswith("<|im_end|>\n<|im_start|>assistant\n") for text in texts)


def test_a_prompt_too_short_for_its_chat_is_refused(load_team: Callable[..., Team]) -> None:
    with pytest.raises(ValueError, match="a prompt of 20 tokens has no room"):
        sequences.chat_prompts(load_team("reasoner_0"), 1, 20)


def test_no_token_ends_an_endless_reply_and_afterwards_it_does(load_team: Callable[..., Team]) -> None:
    team = load_team("reasoner_0")
    request = Request(team.adapter_of["reasoner_0"], [1, 2, 3], max_new_tokens=3, max_chars=1_000)

    def drawn() -> list[int]:
        (reply,) = team.base.act([request], temperature=0.0, batch_size=1)
        return reply.action_ids

    first, *_ = drawn()
    team.base.tokenizer.eos_token = team.base.tokenizer.convert_ids_to_tokens(first)
    assert drawn() == [first]
    with sequences.endless(team):
        assert len(drawn()) == request.max_new_tokens
    assert drawn() == [first]


def test_distinct_tokens_are_counted_once() -> None:
    said = [Said([1, 2, 3], [4, 5]), Said([1, 2, 3], [4, 6]), Said([1, 2, 7], [8])]
    assert sequences.plain_tokens(said) == 5 + 5 + 4
    assert sequences.distinct_tokens(said) == len(["1", "2", "3", "4", "5", "6", "7", "8"])


def test_an_update_is_the_same_by_every_path(measure: Measure, capsys: pytest.CaptureFixture[str]) -> None:
    (result,) = measure(update.main, "--batch-sizes", "2", "4", "--max-packed-tokens", "200", "1024", "2048")
    assert result["logprob_error"] < 1e-4 and result["gradient_error"] < 1e-4
    assert result["plain_tokens"] == 2 * 3 * (160 + 5) > result["distinct_tokens"]
    names = [own["name"] for own in result["times"]]
    assert names[:2] == ["packed, 2 passes", "packed, 1 pass"]  # 1,024 tokens and 2,048 make the same passes
    assert sorted(names[2:]) == ["plain, batches of 2", "plain, batches of 4"]
    assert all(len(own["cpu_s"]) == 2 for own in result["times"])
    assert "plain, batches of 4" in capsys.readouterr().out


def test_an_error_of_the_packed_path_would_be_seen(
    load_team: Callable[..., Team], monkeypatch: pytest.MonkeyPatch
) -> None:
    team, right = load_team("reasoner_0"), update.update

    def wrong(team: Team, said: list[Said], compute: Compute) -> update.Computed:
        computed = right(team, said, compute)
        return update.Computed(computed.logprobs + (compute.path == "packed"), computed.gradients)

    monkeypatch.setattr(update, "update", wrong)
    assert update.compare(team, update.QUICK[0], [4], [1024], repeats=1)["logprob_error"] == pytest.approx(
        1.0, abs=1e-3
    )


def test_rollouts_are_compared_at_equal_tokens(measure: Measure) -> None:
    equal, until_the_end, adapters, turns = measure(rollout.main)
    assert set(equal["tokens"].values()) == {2 * 2 * 2}  # prompts, samples, new tokens
    assert [own["name"] for own in until_the_end["times"]] == ["generate", "plain", "packed"]
    assert [own["name"] for own in adapters["times"]] == ["one after the other", "one batch"]
    assert list(turns["tokens"]) == ["read again", "kept"] and len(set(turns["tokens"].values())) == 1


@pytest.mark.skipif(not has_both(), reason="this torch has no two libraries to choose from")
def test_tokens_of_few_rows_are_the_same_by_every_way(measure: Measure, load_team: Callable[..., Team]) -> None:
    results = measure(few_rows.main, "--context", "7")
    ways = ["nn.Linear", "oneDNN", "oneDNN with copies"]
    assert [one["name"] for one in results] == [*(f"products, {way}" for way in ways), "token, PEFT", "token, as drawn"]
    assert all(len(one["cpu_s"]) == 2 and one["rows"] == 2 for one in results)
    team = perturb(load_team(*few_rows.AGENTS))
    model = team.base.model.eval()
    drawing = few_rows.Drawing(model, [team.adapter_of[agent] for agent in few_rows.AGENTS], rows=5, context=7)
    with torch.no_grad():
        torch.testing.assert_close(drawing.as_drawn(), drawing.by_peft(), atol=1e-5, rtol=0)
    linears = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    assert len(few_rows.matrices_of(model)) == 7 * model.config.num_hidden_layers + 1 < len(linears)


def test_a_whole_step_is_compared_with_the_plain_path_where_trl_is_not_installed(
    measure: Measure, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(whole_step, "find_spec", lambda name: None)
    (result,) = measure(whole_step.main)
    assert [own["name"] for own in result["times"]] == ["ours, packed", "ours, plain"]
    assert "TRL is not installed" in capsys.readouterr().out


def test_a_team_s_memory_is_that_of_a_process_that_trained_it(
    measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "QUICK", ("duo",))
    results = measure(memory.main, "--episodes", "1", "--repeats", "1")
    assert [(result["team"], result["allocator"]) for result in results] == [("duo", "default"), ("duo", "mmap")]
    assert all(result["peak_mib"][0] > 100 and result["cpu_s"][0] > 0 for result in results)


def test_a_library_that_is_measured_is_loaded_before_others(
    measure: Measure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environments: list[Mapping[str, str]] = []

    def noted(words: Sequence[str], environment: Mapping[str, str], log: Path) -> tuple[float, float]:
        environments.append(environment)
        return 1.0, 1.0

    monkeypatch.setattr(memory, "run_fresh", noted)
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    library = str(tmp_path / "liballocator.so")
    Path(library).touch()
    results = measure(memory.main, "--teams", "duo", "octet", "--allocators", "default", library, "--repeats", "1")
    assert [result["allocator"] for result in results] == ["default", "default", library, library]
    assert [environment.get("LD_PRELOAD") for environment in environments] == [None, None, library, library]


def test_a_library_that_is_not_there_is_told(measure: Measure, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        measure(memory.main, "--teams", "duo", "--allocators", "tcmalloc", "--repeats", "1")
    assert "no library 'tcmalloc'" in capsys.readouterr().err


def test_a_process_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3: so it is"):
        measuring.run_fresh(["/bin/sh", "-c", "echo so it is; exit 3"], {}, tmp_path / "log")


def test_the_step_is_measured_along_all_sweeps_and_drawn(
    measure: Measure, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "step_time.png"
    results = measure(scaling.main, "--repeats", "1", "--picture", str(picture))
    assert [(one["sweep"], one["at"]) for one in results[::2]] == [
        (sweep, at) for sweep, places in scaling.QUICK.items() for at in places
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")
    before = capsys.readouterr().out
    scaling.main(["--redraw", "--json", str(tmp_path / "results" / "numbers.json"), "--picture", str(picture)])
    assert before.endswith(capsys.readouterr().out)  # the same table, from the numbers that were kept


def test_prices_are_those_that_steps_were_made_of() -> None:
    prices = scaling.Prices(update=0.01, read=0.005, passes=0.1, drawn=0.02)
    works = [scaling.Work(100, 50, 4, 30, 0, 0), scaling.Work(200, 90, 8, 31, 0, 0), scaling.Work(70, 20, 2, 9, 0, 0)]
    works.append(scaling.Work(10, 500, 3, 77, 0, 0))
    steps = [
        scaling.Step("turns", 1, "packed", (0.005 * w.read + 0.1 * w.passes + 0.02 * w.drawn,), (0.01 * w.update,), w)
        for w in works
    ]
    found = scaling.fit(steps)
    for name in ("update", "read", "passes", "drawn"):
        assert getattr(found, name) == pytest.approx(getattr(prices, name))
    assert scaling.predicted(steps[0], found) == pytest.approx(steps[0].cpu_s)


def test_a_critic_s_reading_is_part_of_learning(measure: Measure) -> None:
    results = measure(critic.main)
    assert [one["critic_input"] for one in results] == ["state", "observation"]
    for one in results:
        assert len(one["cpu_s"]) == len(one["reading_cpu_s"]) == 2
        assert all(0 < read < both for read, both in zip(one["reading_cpu_s"], one["cpu_s"], strict=True))


def test_a_joint_step_of_two_agents_is_measured_alone_where_comlrl_is_not_installed(
    measure: Measure, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(beside_comlrl, "find_spec", lambda name: None)
    monkeypatch.setattr(beside_comlrl, "peak", lambda options, case, name: 100.0)
    results: dict[str, Any] = measure(beside_comlrl.main)  # type: ignore[assignment]
    (timed,) = results["times"]
    assert [own["name"] for own in timed["times"]] == ["ours", "ours, MARFT-A"]
    assert [(own["name"], own["peak_mib"]) for own in results["memory"]] == [
        ("ours", [100.0]),
        ("ours, MARFT-A", [100.0]),
    ]
    assert "CoMLRL is not installed, so ours is measured alone: pip install" in capsys.readouterr().out


def test_a_joint_step_s_memory_is_that_of_a_process_that_took_it(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[list[str]] = []
    fresh = beside_comlrl.run_fresh
    monkeypatch.setattr(beside_comlrl, "run_fresh", lambda *given: (words.append(given[0]), fresh(*given))[1])
    options = beside_comlrl._options(["--model", str(tiny_model)])
    assert beside_comlrl.peak(options, beside_comlrl.QUICK[0], beside_comlrl.OURS) > 100
    assert words[0][-4:] == ["--dtype", "float32", "--matmul-precision", "highest"]


def test_questions_make_chats_of_equal_length_and_differ(load_team: Callable[..., Team]) -> None:
    team = load_team("reasoner_0")
    num_tokens = lambda text: len(team.base.tokenizer(text)["input_ids"])  # noqa: E731
    found = sequences.questions(num_tokens, 5, 90)
    assert len(set(found)) == 5 and {num_tokens(text) for text in found} == {90}
    with pytest.raises(ValueError, match="a prompt of 10 tokens has no room for a question"):
        sequences.questions(num_tokens, 1, 10)
