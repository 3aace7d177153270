"""Every environment of this suite, one line each."""

from marft_envs.registry import register

register("math/reason_act-v0", "marft_envs.math.reason_act:ReasonAct")
register("math/pipeline-v0", "marft_envs.math.pipeline:Pipeline")
