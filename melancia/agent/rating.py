"""Which answers users are asked to rate: by lot, so that not only the angry rate.

Whoever rates unasked is delighted or annoyed; the asked are a sample of all. The verdict compares both.
"""

import hashlib


def is_drawn(interaction_id: str, share: float) -> bool:
    """Whether this answer is among the ``share`` in [0, 1] that is asked about.

    A hash of the identifier and of nothing else: neither arm, user nor answer has a say.
    """
    digest = hashlib.sha256(f"rating\x1f{interaction_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
