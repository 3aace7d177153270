"""The arithmetic of learning: tensors in, tensors out.

Knows nothing of environments, models or files, so that every formula can be checked against a sum done by hand.
"""
