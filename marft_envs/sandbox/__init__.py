"""The sandbox: runs Python programs that a model wrote, on this machine, without a right to anything but computing.

A *fork server* (`jail.server`) is started once: a small interpreter that has everything loaded which programs import.
For each program it forks a child, which is put under limits, Landlock and a seccomp allow-list before it compiles the
first line. No binary of ours, no privilege and no namespace is needed: all is done with ctypes, as root, as any user,
and inside containers whose own seccomp profile lets Landlock through, as Docker's does. It takes Linux 5.13 on x86_64
or aarch64 (written from the kernel's tables, and never run there); before it is first used in a process it attacks
itself (`selftest`), and where an attack succeeds, or on any other system, it refuses with `SandboxUnavailableError`.
There is no weaker way that it would take instead; on other systems, or where somebody asks for it, programs run on
WebAssembly (below).

On Linux, covered, each by two walls or more where it says so:

| what a program may try | what stops it |
|---|---|
| read, write, list, make, remove files | seccomp: no call opens one; Landlock: no right to any; not root any more |
| look at files (`stat`, `access`, `readlink`) | seccomp: no such call |
| the network: TCP, UDP, Unix and abstract sockets | seccomp: no socket; Landlock, from its version 4 and 6 on |
| processes and threads, `exec`, daemons | seccomp: none can be made; RLIMIT_NPROC |
| signal, trace or read the parent, the server, siblings | seccomp; Landlock from its version 6; another user |
| the kernel's rarer doors: io_uring, bpf, keys, namespaces, perf, userfaultfd | seccomp: the list names 47 calls |
| calls by another convention: 32 bits, x32 | seccomp ends the process; no memory can be made executable |
| raise its limits, become root | seccomp; no_new_privs; the server has given up root and all capabilities |
| CPU time, waiting, ignoring signals | the server's own watch, SIGKILL; RLIMIT_CPU |
| memory, deep recursion, output, a flood on any descriptor | RLIMIT_AS, RLIMIT_STACK; RLIMIT_FSIZE on files in memory |
| the parent's environment and descriptors | the server is started without them; all but four are closed |
| what other programs read or wrote | it never passes through the server's memory, whose copy a child is |
| outliving its server or this process | PR_SET_PDEATHSIG; the server ends when its socket closes |

Every program sees the same clock, the same random numbers and the same hashes (`jail.determinism`).

Not covered: errors of the kernel in the calls that are allowed; what processors leak about each other's work (Spectre
and its kin), and timing; the user id and the process ids, which a program may ask for; memory addresses, which differ
from run to run. Limits are per program: many sandboxes at once can use up a machine. Programs see the standard library
as far as it computes (`jail.preload.PRELOADED`), and no other package.

On WebAssembly (`wasi`), for macOS, Windows, and a Linux without Landlock: CPython compiled to a component that imports
two functions, one to hand over output and one to leave. `pip install 'marft-envs[wasi]'`; on Linux it is taken only
where somebody says so, by `MARFT_ENVS_SANDBOX=wasi` in the environment or `Sandbox(backend="wasi")`. It was run on
Linux on x86_64, and its self-test decides elsewhere.

| what a program may try | what stops it |
|---|---|
| files, the network, processes, threads, the machine's clock | no function does that: the interpreter's are stubs |
| variables and descriptors of the parent | it has none; its process is started without them |
| memory | the limit of its instance, beyond what the interpreter has |
| CPU time, waiting | an epoch's end: the process watches the CPU time that it uses, and the clock |
| output, a flood | taken as far as it may, by the other side |
| what other programs left behind | every program has an instance of its own, which begins with the same memory |
| outliving this process | its process ends when its pipe closes |

Not covered there: errors of `wasmtime` that let a program out of its memory. The wall behind it is thin: the process is
this user's, and can open no file or socket any more; on Windows it can.

What programs find different there: one version of Python, 3.14, on 32 bits (`sys.maxsize` is 2**31 - 1), 2.4 times as
slow; no `ctypes`, `mmap`, `resource`, `bz2`, `lzma`, nor what `hashlib` has of OpenSSL; recursion through functions of
C, such as `lru_cache`, ends at some 1,500 levels; whoever waits for a lock crashes; errors have other numbers; hashes
of text, and so the order of sets of texts, differ from one machine to another.
"""
