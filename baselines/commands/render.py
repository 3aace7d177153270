"""`marft render`: an action log as a page that people can read and show each other."""

import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

import marft_envs
from baselines.commands.options import shown
from baselines.commands.terminal import say, working
from baselines.errors import ConfigError, disk_full_explained
from marft_envs import Episode, Record, ReplayMismatchError

_MOST_EPISODES = 50
"""On a page unless others are asked for: more of them load slowly on a phone."""
_HEAD_BYTES = 4096
"""Of a page: what tells that it is one stands among them."""


@dataclass(frozen=True)
class Render:
    """Draw an action log as one HTML page: transcript, timeline, and who read whom. It needs no network."""

    log: Positional[Annotated[Path, shown("LOG")]]
    """The log, as `marft play --log`, `marft evaluate --log` or `marft_envs.write_log` wrote it."""
    output: Annotated[Path | None, shown("PAGE.html")] = None
    """Where the page goes. Default: beside the log, with the ending .html."""
    episodes: Annotated[str | None, shown("A:B")] = None
    """Which episodes, as A:B: from place A of the log, counted from 0, up to B, which is left out. Default: 0:50."""
    force: bool = False
    """Write over another file; a page that this command wrote is always written over."""
    open: bool = False
    """Open the page in the browser."""

    def run(self) -> int:
        """Play the episodes again, draw them, and say where."""
        page = self.output or self.log.with_suffix(".html")
        self._check(page)
        logged = marft_envs.read_log(self.log)
        if not logged:
            raise ConfigError(f"{self.log} holds no episode, so there is nothing to draw; give another log")
        chosen = self._chosen(len(logged))
        records = _retold(logged, chosen)
        with working("drawing"):
            drawn = marft_envs.draw_page(records, first=chosen.start, of=len(logged))
        _write(page, drawn)
        say(str(page))
        if len(chosen) < len(logged):
            following = f"{chosen.stop}:{chosen.stop + _MOST_EPISODES}" if chosen.stop < len(logged) else "A:B"
            say(
                f"It shows episodes {chosen.start + 1} to {chosen.stop} of {len(logged)}; "
                f"`--episodes {following}` shows others."
            )
        if self.open and not webbrowser.open(page.resolve().as_uri()):
            say("No browser could be opened; open the page by hand.")
        return 0

    def _check(self, page: Path) -> None:
        """Refuses to write over what is not ours, before anything is played."""
        if page.is_dir():
            raise ConfigError(f"--output is {page}, a folder; name a file in it, such as {page / 'page.html'}")
        if self.force or not page.exists():
            return
        if not _is_page(page):
            raise ConfigError(
                f"{page} is there, and no page of `marft render`; it is left as it is: choose another --output, or add "
                "--force to write over it"
            )

    def _chosen(self, count: int) -> range:
        """The places that are asked for. Raises: ConfigError for another form, or where there is no such episode."""
        if self.episodes is None:
            return range(min(count, _MOST_EPISODES))
        start, colon, stop = self.episodes.partition(":")
        if not colon or not all(part == "" or (part.isascii() and part.isdigit()) for part in (start, stop)):
            raise ConfigError(f"--episodes is {self.episodes!r}; write A:B with whole numbers, such as 0:50 or 50:")
        chosen = range(count)[int(start or 0) : int(stop or count)]
        if not chosen:
            raise ConfigError(f"--episodes is {self.episodes}, and the log has {count}: places 0 to {count - 1}")
        return chosen


def _is_page(path: Path) -> bool:
    """Whether a file is one that this command wrote. Raises: ConfigError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return marft_envs.PAGE_MARK.encode() in file.read(_HEAD_BYTES)
    except OSError as error:
        raise ConfigError(f"{path} is there, and cannot be read ({error.strerror}); choose another --output") from error


def _retold(logged: Sequence[Episode], chosen: range) -> list[Record]:
    """The episodes with all that was told in them, by a replay. Raises: ReplayMismatchError."""
    records = []
    with working("replaying") as status:
        for number, place in enumerate(chosen, start=1):
            status(f"replaying {number}/{len(chosen)}")
            try:
                records.append(marft_envs.retell(logged[place]))
            except ReplayMismatchError as error:
                raise ReplayMismatchError(
                    f"episode {place + 1} of the log: {error}; so what was told in it is not known, and it cannot be "
                    "drawn: choose others with --episodes"
                ) from error
    return records


def _write(page: Path, drawn: str) -> None:
    """The whole page or nothing."""
    partial = page.with_name(page.name + ".unfinished")
    try:
        with disk_full_explained(page, "what was there before is kept: free some space and draw again"):
            page.parent.mkdir(parents=True, exist_ok=True)
            try:
                partial.write_text(drawn, encoding="utf-8", newline="\n")
                partial.replace(page)
            finally:
                partial.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, marft_envs.MarftError):
            raise
        raise ConfigError(f"{page} cannot be written ({error.strerror}); choose another --output") from error
