"""Every environment of this suite, one line each."""

from marft_envs.registry import register

register("math/reason_act-v0", "marft_envs.math.reason_act:ReasonAct")
register("math/pipeline-v0", "marft_envs.math.pipeline:Pipeline")
register("coding/write_repair-v0", "marft_envs.coding.write_repair:WriteRepair")
register("coding/write_test-v0", "marft_envs.coding.write_test:WriteTest")
register("coding/plan_code_review-v0", "marft_envs.coding.plan_code_review:PlanCodeReview")
register("coding/pipeline-v0", "marft_envs.coding.pipeline:Pipeline")
register("collab/sum_relay-v0", "marft_envs.collab.sum_relay:SumRelay")
register("collab/dispatch-v0", "marft_envs.collab.dispatch:Dispatch")
register("collab/budget-v0", "marft_envs.collab.budget:Budget")
