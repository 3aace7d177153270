"""What both sides of a fork server's socket say to each other. It imports on every system, the server only on Linux."""

import struct

JOB = struct.Struct("<ddQQ")
"""CPU seconds, wall seconds, bytes of memory, bytes of output; with the descriptors of job, input, output, results."""
ENDED = struct.Struct("<BBdd")
"""How it ended (an index of `WAYS`), the exit code or signal, CPU seconds, wall seconds."""
WAYS = ("exit", "signal", "time")
NUM_DESCRIPTORS = 4
MOST_OPEN = 16
"""File descriptors of a program, its own four included."""
LOCKED = b"!"
"""What stands first in the job's file once its process is under all limits: before that nothing was run."""
