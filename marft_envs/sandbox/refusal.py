"""The words of refusals to run a program: how they begin, and the way out that there is everywhere."""

NOT_HERE = "model-written programs cannot be locked up on this machine, so none is run"
INSTALL_WASI = "pip install 'marft-envs[wasi]'"
OR_WASI = (
    f"Or run programs on WebAssembly, some three times slower: {INSTALL_WASI}, and MARFT_ENVS_SANDBOX=wasi in the "
    "environment"
)
