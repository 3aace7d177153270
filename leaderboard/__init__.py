"""Results of teams on the suite's environments: what is recomputed of them, how sure they are, what may be said.

No torch. Statistics need numpy alone; submissions need the extra `leaderboard`.
"""
