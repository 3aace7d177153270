"""What runs inside the sandbox's own processes: no module here imports anything but the standard library and its peers.

The processes load this folder as a package of its own, without the rest of `marft_envs`, whose imports would cost every
start a quarter of a second and every fork several megabytes.
"""
