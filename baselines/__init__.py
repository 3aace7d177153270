"""Reference trainers: they fine-tune every agent of a team, on any registered environment.

They see an environment only through the face of `marft_envs`.
"""
