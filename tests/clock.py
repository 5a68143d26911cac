"""A clock that tests put forward."""

from datetime import timedelta

import time_machine

from melancia.records import utc_now


def later(**span: float) -> time_machine.travel:
    """It is so much later; a minute, unless it is said. A verdict leaves out the latest half a minute."""
    return time_machine.travel(utc_now() + timedelta(**(span or {"minutes": 1.0})))
