"""Changes to an experiment: proposed, told in words, and made only when confirmed.

A proposal knows the version that it was made on. When another one has come in between, it is refused: what
was confirmed is not what would happen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from melancia.errors import ConflictError, InputError
from melancia.mlops import policies
from melancia.mlops.arm_check import check_arms
from melancia.mlops.decide.guardrails import check
from melancia.mlops.decide.results import Status, Verdict
from melancia.records import Arm, Policy, PolicyMode, PolicyState
from melancia.settings import Settings
from melancia.store import Store
from melancia.ui import experiment_form as form
from melancia.ui import experiment_words as names
from melancia.ui.experiment_data import Line

PAUSE_ARM, RESUME_ARM, WEIGHTS, PROMOTE = "pause_arm", "resume_arm", "weights", "promote"
GUARD, MODE = "guard", "mode"
ROLLBACK, PAUSE, RESUME, END, CREATE = "rollback", "pause", "resume", "end", "create"
KINDS: Mapping[str, str] = {
    PAUSE_ARM: "Pausar um braço",
    RESUME_ARM: "Retomar um braço",
    WEIGHTS: "Mudar os pesos",
    GUARD: "Mudar as proteções",
    MODE: "Mudar o modo",
    PROMOTE: "Promover um braço: dá-lo a todos",
    ROLLBACK: "Voltar a uma versão anterior",
    PAUSE: "Pausar o experimento",
    RESUME: "Retomar o experimento",
    END: "Encerrar o experimento",
}
OF_ARMS = (PAUSE_ARM, RESUME_ARM, PROMOTE)


@dataclass(frozen=True, slots=True)
class Change:
    """A change that waits to be confirmed. ``seen``: the version that it was proposed on, 0 for a new one."""

    kind: str
    experiment: str
    seen: int
    reason: str
    arm: str = ""
    to: int = 0
    weights: tuple[tuple[str, float], ...] = ()
    bounds: tuple[tuple[str, float], ...] = ()
    mode: PolicyMode | None = None
    wanted: Policy | None = None
    warnings: tuple[str, ...] = ()


def propose(
    policy: Policy,
    kind: str | None,
    *,
    arm: str | None,
    weights: str | None,
    to: int | None,
    bounds: str | None = None,
    mode: str | None = None,
    why: str | None,
) -> Change:
    """A change of an experiment from what was chosen on the page. Raises InputError on what is missing."""
    if kind is None or kind not in KINDS:
        raise InputError("Falta dizer o que mudar.", "Escolha na lista.")
    if kind in OF_ARMS and policy.arm(arm or "") is None:
        raise InputError("Falta dizer o braço.", f"Há: {', '.join(one.name for one in policy.arms)}.")
    if kind == ROLLBACK and not to:
        raise InputError("Falta dizer a versão.", "Escolha na lista; a primeira não tem anterior.")
    return Change(
        kind,
        policy.experiment,
        policy.version,
        form.reason(why),
        arm=(arm or "") if kind in OF_ARMS else "",
        to=int(to or 0) if kind == ROLLBACK else 0,
        weights=_weights(policy, weights) if kind == WEIGHTS else (),
        bounds=_bounds(bounds) if kind == GUARD else (),
        mode=form.mode(mode) if kind == MODE else None,
    )


def creation(wanted: Policy, settings: Settings) -> Change:
    """The beginning of an experiment, to be confirmed. Raises InputError for an arm that cannot answer."""
    warnings = tuple(check_arms(wanted, settings))
    return Change(CREATE, wanted.experiment, 0, wanted.reason, wanted=wanted, warnings=warnings)


def told(change: Change, newest: Line | None, running: Policy | None) -> tuple[str, str]:
    """What will happen, and the words of the button that confirms it.

    ``newest``: the newest verdict on the experiment; ``running``: the experiment that routes users now.
    """
    arm, name = change.arm, change.experiment
    shares = ", ".join(f"{one} {weight:g}".replace(".", ",") for one, weight in change.weights)
    sentences = {
        PAUSE_ARM: (f"O braço {arm} deixa de receber pessoas; as dele vão para os outros.", f"pausar {arm}"),
        RESUME_ARM: (f"O braço {arm} volta a receber pessoas, com o seu peso.", f"retomar {arm}"),
        WEIGHTS: (f"Os pesos passam a ser {shares}; muda de braço quem for preciso.", "mudar os pesos"),
        GUARD: (f"As proteções passam a ser: {_told_bounds(change)}.", "mudar as proteções"),
        MODE: (f"O modo passa a ser {names.MODES[change.mode]}." if change.mode else "", "mudar o modo"),
        PROMOTE: (f"{arm} passa a responder a todos, e a comparação para.", f"dar {arm} a todos"),
        ROLLBACK: (
            f"{name} volta ao que era na versão {change.to}, como versão nova.",
            f"voltar à versão {change.to}",
        ),
        PAUSE: (f"{name} deixa de distribuir pessoas; quem pergunta sai da comparação.", f"pausar {name}"),
        RESUME: (f"{name} volta a distribuir pessoas como antes da pausa.", f"retomar {name}"),
        END: (f"{name} termina, e deixa de distribuir pessoas; o histórico fica.", f"encerrar {name}"),
        CREATE: (f"{name} começa já a distribuir pessoas.", f"começar {name}"),
    }
    said, button = sentences[change.kind]
    return " ".join((said, *_warnings(change, newest, running))), f"Sim, {button}"


def apply(store: Store, change: Change, author: str) -> Policy:
    """Make the change. Raises ConflictError when there is another version now, InputError, StoreError."""
    if change.wanted is not None:
        return policies.create(store, replace(change.wanted, author=author))
    name, why = change.experiment, change.reason
    if policies.newest(store, name).version != change.seen:
        raise ConflictError(
            f"O experimento {name} mudou enquanto isso.", "Veja como ele está e tente de novo."
        )
    if change.kind in (PAUSE_ARM, PAUSE):
        return policies.pause(store, name, author, why, change.arm)
    if change.kind in (RESUME_ARM, RESUME):
        return policies.resume(store, name, author, why, change.arm)
    if change.kind == PROMOTE:
        return policies.promote(store, name, author, why, change.arm)
    if change.kind == GUARD:
        return policies.guard(store, name, author, why, dict(change.bounds))
    if change.mode is not None:
        return policies.remode(store, name, author, why, change.mode)
    if change.kind == ROLLBACK:
        return policies.rollback(store, name, author, why, change.to)
    if change.kind == END:
        return policies.end(store, name, author, why)
    return policies.change(store, name, author, why, lambda policy: _weighted(policy, change.weights))


def versions(history: Sequence[Policy]) -> list[tuple[str, int]]:
    """The versions that can be gone back to, as (label, number)."""
    return [
        (
            f"{one.version} · {policies.describe(one)}{f' · {one.reason[:60]}' if one.reason else ''}",
            one.version,
        )
        for one in history[1:]
    ]


def _warnings(change: Change, newest: Line | None, running: Policy | None) -> list[str]:
    said = [f"⚠️ {warning}" for warning in change.warnings]
    if change.kind == PROMOTE:
        if newest is None:
            said.append("⚠️ Ainda não há veredito.")
        elif not _advised(newest.verdict, change.arm):
            said.append("⚠️ O veredito mais novo não recomenda isso.")
    starts = change.kind in (CREATE, RESUME, PROMOTE)
    other = running if running is not None and running.experiment != change.experiment else None
    if starts and other is not None and other.mode is PolicyMode.FORCED:
        said.append(f"O experimento {other.experiment}, já promovido, se encerra.")
    return said


def _advised(verdict: Verdict, arm: str) -> bool:
    """Whether the evidence is not against giving ``arm`` to all: with a tie, one may choose."""
    return verdict.status is Status.TIE or (verdict.status is Status.BETTER and verdict.arm == arm)


def _weights(policy: Policy, written: str | None) -> tuple[tuple[str, float], ...]:
    """``A=50; B=50``. Raises InputError unless each arm has one weight."""
    parts = [part.partition("=") for part in (written or "").split(";") if part.strip()]
    found = [(name.strip(), form.number(weight, f"Peso de {name.strip()}")) for name, _, weight in parts]
    if sorted(name for name, _ in found) != sorted(arm.name for arm in policy.arms):
        example = "; ".join(f"{arm.name}=50" for arm in policy.arms)
        raise InputError("Dê um peso a cada braço, uma vez.", f"Escreva como {example}.")
    return tuple(found)


def _bounds(written: str | None) -> tuple[tuple[str, float], ...]:
    """``p95_latency=20; error_rate=0,1``; nothing is no guardrail. Raises InputError."""
    parts = [part.partition("=") for part in (written or "").split(";") if part.strip()]
    found = {name.strip(): form.number(value, name.strip()) for name, _, value in parts}
    for name, value in found.items():
        check(name, value)
    return tuple(sorted(found.items()))


def _told_bounds(change: Change) -> str:
    told = [f"{names.guardrail(name)} {names.bound(name, value)}" for name, value in change.bounds]
    return "; ".join(told) or "nenhuma"


def _weighted(policy: Policy, weights: Sequence[tuple[str, float]]) -> Policy:
    if policy.state is PolicyState.ENDED:
        raise InputError(f"O experimento {policy.experiment} foi encerrado.", "Crie outro.")
    given = dict(weights)
    arms: tuple[Arm, ...] = tuple(replace(arm, weight=given[arm.name]) for arm in policy.arms)
    return replace(policy, arms=arms)
