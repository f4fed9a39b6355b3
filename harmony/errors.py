"""What can go wrong in this layer; malformed model output is not among it.

HarmonyError        a vocabulary or a conversation that cannot be used: the message says which and why
"""


class HarmonyError(Exception):
    """A vocabulary cannot be used, or a message cannot be rendered."""
