"""What is tested here is Linux's sandbox, but for `test_wasi` and `test_backend`, which are for every system."""

import sys

if not sys.platform.startswith("linux"):
    collect_ignore_glob = ["test_[!bw]*.py"]
