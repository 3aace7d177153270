"""Settings that must stand before anything imports torch, numpy or a hub client."""

import os
import signal

# One thread per test process: results do not depend on the number of cores, two processes share two cores.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# A test that needs the network is a mistake, and must fail on every machine.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"

from hypothesis import settings

# A shell starts what it puts into the background with Ctrl-C ignored; tests of Ctrl-C must not depend on that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: how long an example takes says more about the machine's other work than about the code.
# Continuous integration runs the same examples each time, so that it fails for what changed, nothing else.
settings.register_profile("suite", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("suite")

# What these tests import comes with `make clients`, which names the folder: what is named is collected all the same.
collect_ignore = ["clients"]
