"""What is compiled: the interpreter stops behind this module's last line, and every instance goes on from there.

On any other system than WebAssembly it does nothing when it is imported.
"""

import builtins
import os
import sys
import time


class WitWorld:
    """What `world.wit` exports, under the name that componentize-py looks for."""

    def run(self, job: str, stdin: str) -> None:
        """Runs one program, in an instance that no other has used. Does not return, unless the program sees to it."""
        from ..jail import programs
        from . import guest_os

        sys.argv[:] = ["program"]  # componentize-py empties it
        guest_os.feed(stdin.encode("latin-1"))
        programs.run(job.encode("ascii"))
        guest_os.leave(1)  # it took `os._exit` away


def _prepare() -> None:
    """Does what every program would have to do first; here it is done once."""
    from ..jail import determinism

    assert not {"random", "datetime", "threading"} & sys.modules.keys(), "nobody has taken hold of clocks and chance"
    time.localtime = time.gmtime  # there is no other zone, and the C library believes that it is summer
    determinism.freeze()

    import _socket
    import gc

    import wit_world  # made of world.wit

    from ..jail import preload, programs  # noqa: F401  # nothing can be imported later
    from . import guest_os

    _socket.socket = guest_os.NoSocket  # type: ignore[misc, assignment]  # before `socket` makes a class of it
    preload.load()
    import socket  # noqa: F401  # as on Linux, where the server imports it

    preload.warm_up()
    for name in ("copyright", "credits", "exit", "help", "license", "quit"):
        delattr(builtins, name)  # of `site`, without which the server is started on Linux
    os.environ.clear()
    sys.orig_argv[:] = ["program"]
    sys.path[:] = []
    sys.path_importer_cache.clear()
    guest_os.install(wit_world.write, wit_world.leave)
    gc.collect()
    gc.freeze()


if sys.platform == "wasi":
    _prepare()
