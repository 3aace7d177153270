"""Every environment of this suite, one line each."""

from marft_envs.registry import register

register("math/reason_act-v0", "marft_envs.math.reason_act:ReasonAct")
register("math/pipeline-v0", "marft_envs.math.pipeline:Pipeline")
register("math/debate-v0", "marft_envs.math.debate:Debate")
register("math/solve_verify-v0", "marft_envs.math.solve_verify:SolveVerify")
register("coding/write_repair-v0", "marft_envs.coding.write_repair:WriteRepair")
register("coding/write_test-v0", "marft_envs.coding.write_test:WriteTest")
register("coding/plan_code_review-v0", "marft_envs.coding.plan_code_review:PlanCodeReview")
register("coding/pipeline-v0", "marft_envs.coding.pipeline:Pipeline")
register("collab/sum_relay-v0", "marft_envs.collab.sum_relay:SumRelay")
register("collab/trip-v0", "marft_envs.collab.trip:Trip")
register("math/routed-v0", "marft_envs.math.routed:Routed")
register("collab/jigsaw-v0", "marft_envs.collab.jigsaw:Jigsaw")
register("collab/hidden_profile-v0", "marft_envs.collab.hidden_profile:HiddenProfile")
register("collab/guess_word-v0", "marft_envs.collab.guess_word:GuessWord")
register("collab/maze_guide-v0", "marft_envs.collab.maze_guide:MazeGuide")
register("collab/meeting-v0", "marft_envs.collab.meeting:Meeting")
register("collab/commons-v0", "marft_envs.collab.commons:Commons")
register("collab/search_party-v0", "marft_envs.collab.search_party:SearchParty")
register("collab/kitchen-v0", "marft_envs.collab.kitchen:Kitchen")
