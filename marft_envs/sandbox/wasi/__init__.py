"""The sandbox where there is no Landlock: CPython compiled to WebAssembly, run by `wasmtime`.

A WebAssembly component can do what it imports and nothing else. Ours (`guest`) imports two functions: to hand over
bytes of output, and to leave. It has no file, no socket, no clock and no variable, because nobody gave it one; what the
interpreter would otherwise ask of WASI are stubs that end the program. `component` makes it once for a machine, of what
`componentize-py` contains, and `wasmtime` compiles it; `host` runs programs, each in a fresh instance, in processes
that `worker` starts, so that whatever happens there costs a worker and not the trainer.
"""
