"""docs/submission.md and its JSON schema are what leaderboard/schema.py says."""

from tests.docs_scripts import script

make_submission = script("make_submission")


def test_page_and_schema_are_up_to_date() -> None:
    for path, wanted in make_submission.files().items():
        assert path.read_text("utf-8") == wanted, f"{path.name} is stale; run python docs/make_submission.py"


def test_every_field_says_what_it_is() -> None:
    page = make_submission.files()[make_submission.PAGE]
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    silent = [row[0] for row in rows if not row[-1].strip(" |")]
    assert silent == []


def test_every_kind_of_object_has_a_table_and_every_link_leads_to_one() -> None:
    page = make_submission.files()[make_submission.PAGE]
    heads = {line.removeprefix("## ").lower() for line in page.splitlines() if line.startswith("## ")}
    linked = {part.partition(")")[0] for part in page.split("](#")[1:]}
    assert linked <= heads
    assert {"submission", "taskresult", "modelplayer", "scriptplayer", "choiceplayer", "scores", "rules"} <= heads
