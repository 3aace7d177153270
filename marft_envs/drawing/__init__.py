"""Drawing what happened: episodes as one HTML page that needs nothing else, and pictures for it.

Everything here is a function from a `Record`, an episode with what its agents were told, to text. What a model wrote is
hostile until it has been through `markup`, which is the only place where text becomes markup.
"""
