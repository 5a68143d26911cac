"""What a draft lacks, so that the final answer follows without being asked for. A function of the record."""

from enum import StrEnum

from melancia.records import FinishReason, Interaction

_WHOLE = (FinishReason.STOP, FinishReason.LENGTH)


class Fault(StrEnum):
    """Why a draft will not do."""

    FAILED = "failed"  # its arm did not answer: an error, a time-out, or another variant spoke in its place
    CUT = "cut"  # it ended before it was through
    REFUSED = "refused"  # the model refused though there was evidence
    UNCITED = "uncited"  # it names no source


def fault(draft: Interaction) -> Fault | None:
    """What is wrong with a draft that has ended; None with one that will do.

    A refusal for want of evidence is right, and so is whatever the user stopped, or was given before.
    """
    answer = draft.answer
    unsupported = answer.refused and draft.exposure is None
    ended = answer.finish_reason not in (FinishReason.RUNNING, FinishReason.CANCELLED)
    reused = draft.origin is not None and draft.origin.kind.cached
    if unsupported or reused or not ended:
        return None
    if draft.exposure is None or draft.fell_back or not answer.text:
        return Fault.FAILED
    if answer.finish_reason is not FinishReason.STOP:
        return Fault.CUT
    if answer.refused:
        return Fault.REFUSED
    return None if answer.citations else Fault.UNCITED


def replaces(final: Interaction) -> bool:
    """Whether a final answer came whole, so that the draft is done with."""
    return final.answer.finish_reason in _WHOLE and bool(final.answer.text)
