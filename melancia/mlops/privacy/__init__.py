"""A user's data wherever it is: given to them, erased at their wish, and when its time is over."""

from melancia.mlops.privacy.erase import erase, finish_pending
from melancia.mlops.privacy.export import export, user_named

__all__ = ["erase", "export", "finish_pending", "user_named"]
