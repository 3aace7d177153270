"""The page of an episode.

1. Whatever the texts are, the page has the elements that it has for plain ones, and nothing in it is invisible.
2. It is complete in itself: its own style and script by hash, no way out, the same bytes everywhere.
3. What it shows, by hand: rounds, routing, the clock, cut turns, several episodes.
4. Who reads whom, as a graph and as its picture.
5. Long episodes and long texts.
"""

import base64
import hashlib
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import marft_envs
from marft_envs import Example, Outcome, Profile, draw_page, record_of, retell
from marft_envs.drawing import markup
from marft_envs.drawing.dependencies_svg import Graph, Node, graph_of_round, graph_of_turns, graph_svg
from marft_envs.drawing.markup import element, joined, source, text
from marft_envs.drawing.shapes import seconds
from marft_envs.drawing.timeline_svg import timeline_svg
from marft_envs.drawing.transcript import MOST_CHARS
from marft_envs.errors import TurnError
from tests.envs.conftest import Lottery, Router, Solo, registered, say, scripted, written
from tests.envs.test_clock import FreeLottery, free, step, writes

ROOT = Path(__file__).parents[2]
S = 1_000_000
HOSTILE = (
    "</div></details></article><script>alert(1)</script><img src=x onerror=alert(1)>\"'><a href='javascript:alert(1)'>"
    "<!-- --><![CDATA[ ]]><style>*{display:none}</style>&lt;&#x3C;b&#62; \x00\x1b[2J\r\n"
    "\u202eevil\u202c\u2067\u200b\ufeff\U000e0041\u3164\ud800\ufffe\u2028"
)
HOSTILE_TEXTS = st.one_of(
    st.text(),
    st.lists(st.sampled_from([*"<>&\"'/ =\n", "script", "</", "<!--", "\u202e", "\u200d", "\ud8ff", "x"])).map("".join),
)
VOID = {"meta"}
VISIBLE_FORMATS = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Signs of Arabic, Syriac and Kaithi that belong to Unicode's format characters, and have a shape."""


class Page(HTMLParser):
    """A page as a browser reads it: its elements with their attributes, and the text in each class of them."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        """(classes of the elements around it, text)."""
        self._open: list[tuple[str, str]] = []
        self.feed(source)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} stands there twice"
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("class") or tag))

    def handle_endtag(self, tag):
        opened, _ = self._open.pop()
        assert opened == tag, f"{opened} is closed by {tag}"

    def handle_data(self, data):
        self.texts.append((tuple(style for _, style in self._open), data))

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def unknown_decl(self, data):
        raise AssertionError(f"a declaration: {data}")

    def with_class(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.elements if name in (attributes.get("class") or "").split()]

    def text_in(self, name: str) -> str:
        return "".join(data for styles, data in self.texts if any(name in style.split() for style in styles))

    def structure(self) -> Counter:
        """How often there is which element with which attributes, but for the marks of what cannot be seen.

        Classes may differ: what is long has a line of its own.
        """
        return Counter(
            (tag, *sorted({*attributes} - {"class"}))
            for tag, attributes in self.elements
            if attributes.get("class") != "unseen"
        )


def played(env, policy=lambda env, agent: f"{agent} in round {env.round}"):
    while env.ready:
        env.step(policy(env, env.agent_selection))
    return env


def told_everywhere(words):
    """An episode in which a text stands wherever one can."""
    team = [Profile("a", system=words.encode(errors="replace").decode(), max_action_chars=10**6), Profile("b")]
    env = scripted(
        "ab",
        horizon=1,
        base={"team": team},
        view=words,
        hidden=words,
        act=lambda env, agent, action: Outcome(1.0, feedback=words, info={words: 1}),
    )
    record = record_of(played(env, lambda env, agent: words))
    options = {words: words, "nested": {words: [words]}}
    return replace(record, level=words, episode=replace(record.episode, env_id=words, options=options, runtime=words))


def is_unseen(char):
    category = unicodedata.category(char)
    return category in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp") and char not in "\n\t" and ord(char) not in VISIBLE_FORMATS


# ---- 1. Whatever the texts are ---------------------------------------------------------------------------------------


@given(HOSTILE_TEXTS)
@settings(max_examples=60, deadline=None)
def test_no_text_makes_an_element_or_an_attribute_or_stays_invisible(words):
    words = f"x{words}"[:40]  # so that nothing is folded or left out
    plain = Page(draw_page([told_everywhere("x" * len(words))])).structure()  # times follow from the length
    drawn = draw_page([told_everywhere(words)])
    assert Page(drawn).structure() == plain
    assert [char for char in drawn if is_unseen(char)] == []


def test_a_text_of_an_attacker_is_shown_and_does_nothing():
    drawn = draw_page([told_everywhere(HOSTILE)])
    page = Page(drawn)
    assert page.structure() == Page(draw_page([told_everywhere("x" * len(HOSTILE))])).structure()
    assert "<script>alert(1)</script><img src=x onerror=alert(1)>" in page.text_in("words")
    assert "U+202E" in page.text_in("unseen")
    assert drawn.encode()


@given(st.text())
def test_a_text_comes_out_as_it_went_in_but_for_marks(words):
    page = Page(element("p", {}, words))
    seen = "".join(data for styles, data in page.texts if "unseen" not in styles)
    assert re.sub("[\ufe0e\ufe0f]", "", seen) == re.sub(f"[{markup._UNSEEN}]", "", words)


@given(st.text())
def test_an_attribute_holds_any_text_and_nothing_else(words):
    ((_, attributes),) = Page(element("p", {"title": words}, "x")).elements
    assert list(attributes) == ["title"]
    assert not any(map(is_unseen, attributes["title"]))


def test_every_invisible_character_of_unicode_is_marked():
    missed = [f"{code:X}" for code in range(0x110000) if is_unseen(chr(code)) and chr(code) in text(f"a{chr(code)}b")]
    assert missed == []


def test_what_people_write_is_left_alone():
    for words in ("Grüße, naïve café", "שלום עולם", "مرحبا", "数学 だ", "1 + 2 ≤ 3\t√2", "✔\ufe0f done", "e\u0301"):
        assert text(words) == words


def test_a_run_of_invisible_characters_is_one_mark_that_names_a_few():
    many = "".join(chr(0x2060 + number % 16) for number in range(100_000))
    assert len(text(many)) < 400
    assert "and 99,994 more" in text(many)
    assert "U+200B ×3" in text("a\u200b\u200b\u200bb")


def test_text_is_isolated_from_what_stands_around_it():
    page = Page(draw_page([told_everywhere("abc שלום")]))
    assert {attributes.get("dir") for attributes in page.with_class("words")} == {"auto"}
    css = (ROOT / "marft_envs/drawing/style.css").read_text(encoding="utf-8")
    (rule,) = re.findall(r"^\.words \{([^}]*)\}", css, re.MULTILINE)
    assert "unicode-bidi: isolate" in rule and "overflow: hidden" in rule  # marks above letters stay in their box, too


def test_markup_is_made_in_one_place_only():
    for path in (ROOT / "marft_envs" / "drawing").glob("*.py"):
        if path.name != "markup.py":
            assert not re.search(r"\bHtml\(", path.read_text(encoding="utf-8")), path.name


def test_text_beside_markup_is_text():
    assert joined(["<b>", element("i", {}, "<u>")]) == "&lt;b&gt;<i>&lt;u&gt;</i>"
    assert element("p", {}, "<b>" + element("i", {}, "x")) == "<p>&lt;b&gt;&lt;i&gt;x&lt;/i&gt;</p>"  # a sum is a str


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("p", {"style": "color: red"}),
        ("p", {"onclick": "x"}),
        ("a", {"href": "https://example.org"}),
        ("a", {"href": "javascript:x"}),
        ("p", {"a b": "x"}),
        ("script", {}),
        ("p><b", {}),
    ],
)
def test_an_element_that_the_page_forbids_is_our_own_mistake(name, attributes):
    with pytest.raises(AssertionError):
        element(name, attributes)


def test_a_script_that_would_end_early_is_our_own_mistake():
    with pytest.raises(AssertionError):
        source("script", "x = '</script>'")


def test_what_profiles_have_for_consequences_is_told():
    quick = Profile("a", latency_us=2_000_000, hears=("b",), cost_per_turn=0.25, cost_per_char=0.01)
    env = scripted("ab", horizon=1, base={"team": [quick, Profile("b", hears=(), examples=(Example("Hm?", "Yes."),))]})
    page = Page(draw_page([record_of(played(env))]))
    told = " ".join(data for _, data in page.texts)
    for words in (
        f"it is heard {seconds(2_000_000)} later",
        "it hears b",
        "it hears nobody",
        "a turn costs 0.25",
        "a character costs 0.01",
        "Hm?",
        "Yes.",
    ):
        assert words in told


# ---- 2. Complete in itself -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn():
    return draw_page([record_of(played(lottery_of(seed))) for seed in range(3)])


def lottery_of(seed):
    env = Lottery(num_agents=4)
    env.reset(seed=seed)
    return env


def test_the_policy_allows_our_style_and_script_by_their_hashes_and_nothing_else(drawn):
    page = Page(drawn)
    (policy,) = [one["content"] for _, one in page.elements if one.get("http-equiv") == "Content-Security-Policy"]
    hashes = {}
    for tag in ("style", "script"):
        (code,) = re.findall(f"<{tag}>(.*?)</{tag}>", drawn, re.DOTALL)
        hashes[tag] = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_the_policy_stands_before_all_that_it_governs(drawn):
    assert [tag for tag, _ in Page(drawn).elements[:5]] == ["html", "head", "meta", "meta", "meta"]
    assert drawn.index("Content-Security-Policy") < drawn.index("<style>")


def test_nothing_leads_out_of_the_page(drawn):
    page = Page(drawn)
    assert not re.search(r"url\(|@import|https?:", drawn)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        assert not {"src", "style", "srcset", "action"} & set(attributes)
        if "href" in attributes:
            assert attributes["href"][1:] in ids
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_every_class_that_is_used_has_a_rule(drawn):
    sheets = ("picture.css", "style.css")
    css = "".join([(ROOT / "marft_envs/drawing" / sheet).read_text(encoding="utf-8") for sheet in sheets])
    clock = FreeLottery(horizon=12)
    clock.reset(seed=7)
    pages = (Page(drawn), Page(draw_page([record_of(played(clock, writes))])))
    used = {name for page in pages for _, one in page.elements for name in (one.get("class") or "").split()}
    assert {name for name in used if not re.search(rf"\.{name}\b", css)} == {"plot", "scenes"}  # for the script, for us


def test_the_same_episodes_are_the_same_bytes_in_any_process():
    program = (
        "import hashlib, marft_envs\n"
        "from tests.envs.conftest import Lottery\n"
        "env = Lottery(num_agents=5)\nenv.reset(seed=4)\n"
        "while env.ready: env.step('hm')\n"
        "print(hashlib.sha256(marft_envs.draw_page([marft_envs.record_of(env)]).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


# ---- 3. What it shows ------------------------------------------------------------------------------------------------


def test_a_round_is_told_in_its_order():
    env = scripted(
        "ab",
        horizon=2,
        view=lambda env, agent: f"view of {agent}",
        hidden="the answer is 7",
        act=lambda env, agent, action: Outcome({agent: 0.5}, feedback={agent: f"verdict on {agent}"}),
    )
    shown = Page(draw_page([record_of(played(env))])).text_in("scenes")
    words = [
        *("Round 1", "the answer is 7", "told a_0", "view of a_0", "told b_0", "view of b_0", "a_0#0"),
        *("a_0 in round 0", "b_0#1", "read #0", "b_0 in round 0", "verdict on a_0", "verdict on b_0", "each +0.5"),
        *("Round 2", "told a_0"),
    ]
    place = 0
    for one in words:
        place = shown.find(one, place)
        assert place >= 0, one
    assert shown.count("the answer is 7") == 1  # it does not change
    assert "Round 3" not in shown  # composed for trainers, and never played


def test_the_same_words_to_everybody_stand_once():
    env = scripted("abc", horizon=1, view="all of you")
    assert "told everybodyall of you" in Page(draw_page([record_of(played(env))])).text_in("scenes")


def test_the_head_tells_what_was_played_and_how_it_ended():
    with registered("test/lottery-v0", Lottery):
        env = marft_envs.make("test/lottery-v0", num_agents=3, horizon=2)
        env.reset(seed=5)
        record = record_of(played(env))
    page = Page(draw_page([record]))
    facts = page.text_in("facts")
    assert "test/lottery-v0" in page.text_in("page")
    speed_up = f"{marft_envs.timing(record.episode).speed_up:.2f}×"
    for words in ("seed5", "splittrain", "horizon2 rounds", "num_agents 3", speed_up):
        assert words in facts
    assert ("terminated" if record.episode.terminated else "truncated") in facts
    for agent, amount in record.episode.returns.items():
        assert f"{agent} {amount:.6g}" in facts


def test_the_table_tells_everybodys_times():
    env = scripted("ab", horizon=1)
    say(env, "xxxxx", "yy")  # 1000 + 50 and 1000 + 20 µs; b waits for a; nobody reads b
    page = Page(draw_page([record_of(env)]))
    assert "a_0150.00105 s0 s0.00102 s0 s000" in page.text_in("agents")
    assert "b_0120.00102 s0.00105 s0 s0 s010" in page.text_in("agents")


def test_a_turn_tells_what_it_read_of_earlier_rounds_as_well():
    env = scripted("ab", horizon=2)
    page = Page(draw_page([record_of(played(env))]))
    headings = re.findall(r"#\d[^#]*?s(?:read (?:#\d ?)+)?", page.text_in("scenes"))
    assert [re.findall(r"#\d", heading.partition("read")[2]) for heading in headings] == [[], ["#0"], ["#1"], ["#2"]]


@pytest.mark.parametrize(("recall", "told"), [("team", "recalleverybody"), ("parents", "recallparents only")])
def test_the_head_tells_who_recalls_what(recall, told):
    assert told in Page(draw_page([record_of(played(scripted("ab", recall=recall)))])).text_in("facts")


def test_the_time_ends_with_an_event_that_came_after_the_last_turn():
    env = free(
        "ab",
        start=lambda env, rng, options: env.at(S * 3 // 2, "over"),
        happen=lambda env, event: Outcome(terminated=True),
    )
    step(env, ("a_0", "one"))
    record = record_of(env)
    assert [turn.finish_us for turn in record.episode.turns] == [S]
    assert record.end_us == S * 3 // 2
    assert "simulated time1.5 s" in Page(draw_page([record])).text_in("facts")


def test_routing_is_drawn_as_it_was():
    env = Router(horizon=4)
    env.reset(seed=0)
    say(env, "worker_2, then worker_0", "done", "done", "nobody", "x", "x", "x")
    record = record_of(env)
    graphs = [graph_of_round(scene.turns, list(record.profiles)) for scene in record.scenes]
    assert [graph.told() for graph in graphs] == [
        "router_0: nobody reads anybody",
        "worker_0 reads worker_2",
        "router_0: nobody reads anybody",
        "worker_0, worker_1, worker_2: nobody reads anybody",
    ]
    page = Page(draw_page([record]))
    shown = [one["aria-label"] for one in page.with_class("graph")]
    assert shown == [f"Who reads whom. {graph.told()}" for graph in graphs]
    assert [one["href"] for tag, one in page.elements if tag == "use"] == ["#d0", "#d1", "#d0", "#d2"]


def test_an_instant_of_the_clock_tells_what_ended_and_then_what_opened():
    env = free(
        horizon=3,
        view=lambda env, agent: f"{agent} at {env.now_us // S} s",
        act=lambda env, agent, action: Outcome({agent: 1.0}, feedback={agent: f"heard {action}"}),
    )
    step(env, ("a_0", "one"), ("b_0", "two"), ("a_0", "three"), ("a_0", "four"), ("b_0", "five"))
    record = record_of(env)
    assert [(scene.title, [turn.agent for turn in scene.turns], [*scene.views]) for scene in record.scenes] == [
        ("0 s", [], ["a_0", "b_0"]),
        ("1 s", ["a_0"], ["a_0"]),
        ("2 s", ["a_0", "b_0"], ["a_0", "b_0"]),
        ("3 s", ["a_0"], []),
        ("4 s", ["b_0"], []),
    ]
    assert record.end_us == 4 * S
    shown = Page(draw_page([record])).text_in("scenes")
    assert shown.index("a_0#0") < shown.index("heard one") < shown.index("a_0 +1") < shown.index("a_0 at 1 s")


def test_turns_that_the_end_cut_off_are_hatched_and_told():
    env = free("abc", act=lambda env, agent, action: Outcome(terminated=action == "end"))
    env.select("b_0")
    env.step("too late")
    env.select("a_0")
    env.step("end")
    record = record_of(env)
    assert [cut.agent for cut in record.episode.cuts] == ["b_0", "c_0"]
    page = Page(draw_page([record]))
    assert len(page.with_class("cut")) == 2 + 1  # and one in the legend
    assert len(page.with_class("hatch")) == 2
    assert "Cut off by the end" in page.text_in("scenes")
    assert len(page.with_class("unfinished")) == 2


def test_a_turn_in_which_an_agent_says_that_it_waits_is_hollow():
    env = free(horizon=3)
    step(env, ("a_0", "wait for b"), ("b_0", "something"))
    drawn = draw_page([record_of(played(env))])
    assert len(Page(drawn).with_class("pause")) == 1 + 1  # and one in the legend


def bars(page):
    return [
        (attributes["data-agent"], attributes["href"], attributes["aria-label"])
        for attributes in page.with_class("turn")
        if "href" in attributes
    ]


def test_every_turn_is_a_bar_that_leads_to_its_words():
    record = record_of(played(lottery_of(2)))
    page = Page(draw_page([record]))
    assert bars(page) == [
        (turn.agent, f"#e1t{turn.index}", f"#{turn.index} {turn.agent}, {span(turn)}") for turn in record.episode.turns
    ]
    critical = marft_envs.timing(record.episode).critical_path
    assert len(page.with_class("critical")) == len(critical) + 1  # and one in the legend


def span(turn):
    start, finish = (f"{us / S:.6f}".rstrip("0").rstrip(".") for us in (turn.start_us, turn.finish_us))
    return f"{start} – {finish} s"


def test_what_is_said_runs_to_the_last_who_reads_it_and_turns_into_each_of_them():
    env = scripted("abc", horizon=1)
    say(env, "x" * 10, "y" * 10, "z" * 10)  # 1100 µs each, one after another: 780 pixels for 3300 µs
    record = record_of(env)
    page = Page(timeline_svg(record, marft_envs.timing(record.episode), "e1"))
    # b begins at 1 + 260 and is joined 11 behind that, beside what a would be; c at 1 + 520, joined 15 behind that.
    said = {tuple(map(float, re.findall(r"[\d.]+", one["d"]))) for one in page.with_class("said")}
    assert said == {(261, 49, 536), (521, 91, 536)}
    into = {tuple(map(float, re.findall(r"[\d.]+", one["d"]))) for one in page.with_class("reads")}
    assert into == {(272, 49, 74), (536, 49, 116)}  # down to the heads, which are 6 high, above bars of 22
    dots = {(float(one["cx"]), float(one["cy"])) for one in page.with_class("joins")}
    assert dots == {(272, 49), (536, 49), (536, 91)}


def test_waiting_is_drawn_where_there_is_some():
    env = scripted("abc", horizon=2)
    say(env, *["x" * 10] * 6)
    page = Page(timeline_svg(record := record_of(env), marft_envs.timing(record.episode), "e1"))
    # In round 1 b and c wait for those before them; in round 2 everybody has waited since its last turn.
    assert len(page.with_class("waits")) == 2 + 3
    solo = scripted("a", horizon=3)
    drawn = draw_page([record_of(played(solo))])
    assert not Page(drawn).with_class("waits")


def test_rewards_are_marked_when_they_are_paid():
    env = scripted("ab", horizon=2, act=lambda env, agent, action: Outcome(0.25 if env.round else -1.0))
    page = Page(draw_page([record_of(played(env))]))
    assert len([one for one in page.with_class("gain") if "d" in one]) == 2 + 1  # and one in the legend
    assert len([one for one in page.with_class("loss") if "d" in one]) == 2


def test_several_episodes_are_listed_and_folded_but_for_the_first(drawn):
    page = Page(drawn)
    assert [("open" in one) for one in page.with_class("episode")] == [True, False, False]
    assert [one["id"] for one in page.with_class("episode")] == ["e1", "e2", "e3"]
    assert "3 episodes, mean return" in page.text_in("page")


def test_a_page_tells_which_part_of_a_log_it_shows():
    records = [record_of(played(lottery_of(seed))) for seed in range(2)]
    page = Page(draw_page(records, first=10, of=40))
    assert "This page shows episodes 11 to 12; the log has 38 more." in page.text_in("page")
    assert [one["id"] for one in page.with_class("episode")] == ["e11", "e12"]


def test_an_agent_alone_is_drawn_too():
    env = Solo()
    env.reset(seed=1)
    page = Page(draw_page([record_of(played(env))]))
    assert "Thank you." in page.text_in("feedback")
    assert "return0.17" in page.text_in("facts")  # 17 characters


def test_an_episode_before_its_end_is_drawn_as_far_as_it_went():
    env = scripted("ab", horizon=2)
    assert "unfinished" in Page(draw_page([record_of(env)])).text_in("facts")
    env.step("hm")
    env.step("hm")
    record = record_of(env)
    assert [len(scene.turns) for scene in record.scenes] == [2, 0]
    Page(draw_page([record]))


def test_nothing_can_be_told_before_the_first_reset():
    with pytest.raises(TurnError, match="reset"):
        record_of(Solo())


@pytest.mark.parametrize(("env_class", "policy"), [(Lottery, None), (FreeLottery, writes)])
def test_a_log_tells_what_the_game_told(tmp_path, env_class, policy):
    with registered("test/told-v0", env_class):
        for seed in range(5):
            env = marft_envs.make("test/told-v0")
            env.reset(seed=seed)
            played(env, policy or (lambda env, agent: written(agent, env.messages(agent))))
            marft_envs.write_log(tmp_path / "log.jsonl", [env.episode()])
            assert retell(marft_envs.read_log(tmp_path / "log.jsonl")[seed]) == record_of(env)


def test_what_was_dropped_is_told_from_the_log_as_well(tmp_path):
    with registered("test/lottery-v0", Lottery):
        env = marft_envs.make("test/lottery-v0", team=(Profile("p", max_action_chars=5),), horizon=1)
        env.reset(seed=0)
        env.step("123456789")
        marft_envs.write_log(tmp_path / "log.jsonl", [env.episode()])
        (episode,) = marft_envs.read_log(tmp_path / "log.jsonl")
        assert "4 characters dropped" in Page(draw_page([retell(episode)])).text_in("scenes")


# ---- 4. Who reads whom -----------------------------------------------------------------------------------------------


def test_a_graph_has_a_layer_for_every_step_of_its_longest_chain():
    graph = graph_of(("a", "b", "c", "d"), {"c": "a", "d": "ac"})
    assert graph.layers() == [0, 0, 1, 2]
    assert graph.told() == "c reads a; d reads a and c"


def graph_of(names, parents):
    return Graph(
        tuple(Node(name, place) for place, name in enumerate(names)),
        tuple(tuple(names.index(parent) for parent in parents.get(name, "")) for name in names),
    )


@given(st.integers(1, 8), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_no_line_of_a_graph_passes_behind_a_box_and_every_reading_is_joined(num_nodes, random):
    names = [f"agent_{place}" for place in range(num_nodes)]
    parents = tuple(tuple(i for i in range(j) if random.random() < 0.4) for j in range(num_nodes))
    graph = Graph(tuple(Node(name, place) for place, name in enumerate(names)), parents)
    page = Page(graph_svg(graph))
    boxes = [[float(one[name]) for name in ("x", "y", "width", "height")] for one in page.with_class("node")]
    verticals = [re.findall(r"[\d.]+", one["d"]) for one in page.with_class("reads")]
    assert len(verticals) == sum(map(bool, parents))
    assert len(page.with_class("joins")) == sum(map(len, parents))
    for x, top, bottom, _ in ([*map(float, line)] for line in verticals):
        assert not [box for box in boxes if box[0] <= x <= box[0] + box[2] and top < box[1] + box[3] / 2 < bottom]
    readers = [boxes[row] for row in range(num_nodes) if parents[row]]
    for box, (_, _, y, end) in zip(readers, ([*map(float, line)] for line in verticals), strict=True):
        assert y == pytest.approx(box[1] + box[3] / 2, abs=0.1)
        assert 0 < box[0] - end < 10


def test_on_the_clock_the_graph_holds_the_turns_that_were_read():
    env = free(horizon=4)
    record = record_of(played(env))
    (scene,) = [scene for scene in record.scenes if scene.title == "4 s"]
    graph = graph_of_turns(scene.turns, record.episode.turns, list(record.profiles))
    assert graph.told() == "b_0 #5 reads a_0 #0 and a_0 #1"  # a's turns take 1 s, b's 2 s; a hears nothing at 3 s


def test_a_long_name_is_shortened_and_keeps_its_number():
    (node,) = graph_of_round([marft_envs.Turn(0, "x" * 40 + "_12", 0, "", 0, (), 0, 1)], ["x" * 40 + "_12"]).nodes
    assert str(node) == "x" * 15 + "…xxx_12"


# ---- 5. Long ones ----------------------------------------------------------------------------------------------------


def test_a_long_text_is_folded_and_a_megabyte_is_cut_with_a_word_about_it():
    words = "".join(f"line {number}\n" for number in range(120_000))
    page = Page(draw_page([told_everywhere(words)]))
    shown = page.text_in("said-by")
    assert "line 31\n" in shown and "line 5000\n" in shown
    assert f"{len(words) - MOST_CHARS:,} further characters of this text: see the log" in shown
    more = page.text_in("more")
    assert "line 5000\n" in more and "line 10\n" not in more
    assert len(draw_page([told_everywhere(words)])) < 12 * MOST_CHARS


def test_folding_loses_nothing():
    words = " ".join(f"word{number}" for number in range(2_000))
    page = Page(draw_page([record_of(played(long_teller(), lambda env, agent: words))]))
    blocks = [data for styles, data in page.texts if "said-by a0" in styles and styles[-1] == "words"]
    assert len(blocks) == 2
    assert "".join(blocks) == words


def long_teller():
    return scripted("a", horizon=1, base={"team": [Profile("a", max_action_chars=10**6)]})


def test_eight_agents_and_sixty_rounds_are_one_page_of_moderate_size():
    env = scripted("abcdefgh", horizon=60)
    drawn = draw_page([record_of(played(env))])
    page = Page(drawn)
    assert len(bars(page)) == 480
    assert len([tag for tag, _ in page.elements if tag == "symbol"]) == 1  # the same D in every round
    assert len([tag for tag, _ in page.elements if tag == "use"]) == 60
    assert len(drawn) < 2_000_000
    widths = [float(one["width"]) for one in page.with_class("plot")]
    assert max(widths) < 25_000
    assert "h_0 in round 59" in page.text_in("scenes")
