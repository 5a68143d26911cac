"""Experiments, changed by people: each change is checked and becomes a version, with author and reason."""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from melancia.agent.router import propensities
from melancia.errors import InputError
from melancia.mlops.decide.guardrails import check
from melancia.mlops.decide.openings import given, openings
from melancia.records import Policy, PolicyMode, PolicyState, utc_now
from melancia.store import Store

GUARDRAILS: Mapping[str, str] = {
    "p95_latency": "latência p95, no máximo (s)",
    "error_rate": "taxa de erros, no máximo (0 a 1)",
    "refusal_rate": "taxa de recusas, no máximo (0 a 1)",
    "groundedness": "apoio nas fontes, no mínimo (0 a 1)",
    "daily_spend": "gasto por dia, no máximo (US$)",
}
MODES = tuple(mode.value for mode in PolicyMode)
_SAID = {
    PolicyMode.FORCED: "todos com {forced}",
    PolicyMode.SHADOW: "todos com {first}, os outros na sombra",
    PolicyMode.HYBRID: "rascunho de {first}, final a pedido",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_ARM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}")


def create(store: Store, wanted: Policy) -> Policy:
    """Begin an experiment, whose salt is drawn here. Raises InputError, StoreError.

    One experiment routes at a time: another one that runs must be paused or ended first, unless it was
    promoted, in which case it ends.
    """
    if store.policies.newest(wanted.experiment) is not None:
        raise InputError(
            f"Já existe um experimento {wanted.experiment}.",
            "Escolha outro nome; o histórico não se reescreve.",
        )
    policy = replace(wanted, salt=secrets.token_hex(8), version=1, created_at=utc_now())
    _check(policy)
    _make_way(store, policy)
    return store.policies.add(policy, None)


def change(
    store: Store, experiment: str, author: str, reason: str, edit: Callable[[Policy], Policy]
) -> Policy:
    """Follow the newest version with ``edit`` of it. Raises InputError, ConflictError, StoreError."""
    before = newest(store, experiment)
    if not reason.strip():
        raise InputError("Falta dizer por quê.", "Escreva o motivo com --reason.")
    after = replace(edit(before), author=author, reason=reason.strip(), created_at=utc_now())
    _check(after)
    if after.hash == before.hash:
        raise InputError("Nada mudaria.", f"O experimento já está assim: {describe(before)}.")
    if after.mode is PolicyMode.FORCED and (before.mode, before.forced) != (after.mode, after.forced):
        _refuse_held(store, experiment, after.forced)
    if after.state is PolicyState.RUNNING:
        _make_way(store, after)
    return store.policies.add(after, before.version)


def pause(store: Store, experiment: str, author: str, reason: str, arm: str = "") -> Policy:
    """Pause an arm, whose users go to the others, or the whole experiment."""
    if arm:
        return change(store, experiment, author, reason, lambda policy: _with_arm(policy, arm, paused=True))
    return change(
        store, experiment, author, reason, lambda policy: replace(_open(policy), state=PolicyState.PAUSED)
    )


def resume(store: Store, experiment: str, author: str, reason: str, arm: str = "") -> Policy:
    """Take a pause back."""
    if arm:
        return change(store, experiment, author, reason, lambda policy: _with_arm(policy, arm, paused=False))
    return change(
        store, experiment, author, reason, lambda policy: replace(_open(policy), state=PolicyState.RUNNING)
    )


def promote(store: Store, experiment: str, author: str, reason: str, arm: str) -> Policy:
    """Give ``arm`` to everybody, until another experiment begins; refused while a report holds the arm."""

    def edit(policy: Policy) -> Policy:
        whole = _with_arm(_open(policy), arm, paused=False)
        return replace(whole, mode=PolicyMode.FORCED, forced=arm, state=PolicyState.RUNNING)

    return change(store, experiment, author, reason, edit)


def rollback(store: Store, experiment: str, author: str, reason: str, version: int | None = None) -> Policy:
    """Return to an earlier version's content (by default, to the one before the newest)."""
    history = store.policies.history(experiment)
    newest(store, experiment)
    wanted = version if version is not None else history[0].version - 1
    found = next((policy for policy in history if policy.version == wanted), None)
    if found is None or found.version == history[0].version:
        have = ", ".join(str(policy.version) for policy in history[1:6])
        raise InputError(
            f"Não há a versão {wanted} a que voltar." if wanted > 0 else "Não há versão anterior.",
            f"Há: {have}." if have else "O experimento tem só a primeira versão.",
        )
    return change(store, experiment, author, reason, lambda policy: _open(policy) and found)


def guard(store: Store, experiment: str, author: str, reason: str, bounds: Mapping[str, float]) -> Policy:
    """Replace the guardrails: name → bound, those of ``GUARDRAILS``; none without any."""
    return change(
        store,
        experiment,
        author,
        reason,
        lambda policy: replace(_open(policy), guardrails=dict(sorted(bounds.items()))),
    )


def remode(store: Store, experiment: str, author: str, reason: str, mode: PolicyMode) -> Policy:
    """Change how users come to arms. What was answered before counts as it was given."""
    return change(
        store, experiment, author, reason, lambda policy: replace(_open(policy), mode=mode, forced="")
    )


def end(store: Store, experiment: str, author: str, reason: str) -> Policy:
    """End it for good; its record stays."""
    return change(
        store, experiment, author, reason, lambda policy: replace(_open(policy), state=PolicyState.ENDED)
    )


def newest(store: Store, experiment: str) -> Policy:
    """The newest version. Raises InputError naming those that exist."""
    found = store.policies.newest(experiment)
    if found is None:
        have = ", ".join(policy.experiment for policy in store.policies.list())
        raise InputError(
            f"Não há experimento {experiment}.",
            f"Há: {have}." if have else "Crie um com `melancia experiment create`.",
        )
    return found


def open_since(store: Store, policy: Policy) -> dict[str, datetime]:
    """Open arm → the instant of the version that last gave it to users: it starts anew after a pause."""
    history = store.policies.history(policy.experiment)
    still = given(policy).intersection(*(given(one) for one in history[:1]))
    return {arm: since for arm, since in openings(history).items() if arm in still}


def describe(policy: Policy) -> str:
    """State and mode in a few Portuguese words."""
    states = {
        PolicyState.RUNNING: "em andamento",
        PolicyState.PAUSED: "pausado",
        PolicyState.ENDED: "encerrado",
    }
    if policy.state is PolicyState.RUNNING and policy.mode in _SAID:
        return _SAID[policy.mode].format(first=policy.arms[0].name, forced=policy.forced)
    return states[policy.state]


def _check(policy: Policy) -> None:
    """Raises InputError for what makes no experiment."""
    if not _NAME.fullmatch(policy.experiment):
        raise InputError(
            "O nome do experimento não vale.", "Use letras minúsculas sem acento, números e hífens, até 40."
        )
    names = [arm.name for arm in policy.arms]
    if len(names) < 2:
        raise InputError("Um experimento compara ao menos dois braços.", "Dê --arm duas vezes ou mais.")
    if len(set(names)) < len(names) or not all(_ARM.fullmatch(name) for name in names):
        raise InputError("Os nomes dos braços não valem.", "Use nomes curtos e diferentes, como A e B.")
    if len({arm.variant.hash for arm in policy.arms}) < len(names):
        raise InputError("Dois braços são a mesma variante.", "Mude modelo, prompt, temperatura ou k de um.")
    if any(not 0 <= arm.weight < 1e6 for arm in policy.arms):
        raise InputError("Um peso não vale.", "Use números a partir de 0, como 50 e 50.")
    if policy.mode is PolicyMode.FORCED and policy.arm(policy.forced) is None:
        raise InputError("Falta dizer que braço é de todos.", f"Os braços são: {', '.join(names)}.")
    if policy.state is PolicyState.RUNNING and not propensities(policy):
        raise InputError("Nenhum braço receberia usuários.", "Pause o experimento inteiro.")
    if not 0 <= policy.floor * len(names) <= 1:
        raise InputError("O piso por braço não cabe.", f"Com {len(names)} braços, até {1 / len(names):.2f}.")
    if policy.mode is PolicyMode.HYBRID and len(names) != 2:
        raise InputError("O modo híbrido tem dois braços.", "O primeiro rascunha, o segundo completa.")
    if policy.primary_metric != "thumbs":
        raise InputError(f"A métrica principal {policy.primary_metric} não existe.", "Há: thumbs.")
    for name, bound in policy.guardrails.items():
        check(name, bound)


def _refuse_held(store: Store, experiment: str, arm: str) -> None:
    """Raises InputError while a finding of a drift report holds the promotion of ``arm``."""
    held = next((one for one in store.reports.holds(experiment) if one.detail.get("arm") in ("", arm)), None)
    if held is not None:
        raise InputError(
            f"A promoção de {arm} está suspensa. {held.message}",
            f"Se já foi conferido, libere-a na aba Saúde ou com `melancia actions dismiss {held.id}`.",
        )


def _make_way(store: Store, policy: Policy) -> None:
    """End an experiment that was promoted; raises InputError when another one still compares."""
    running = store.policies.running()
    if running is None or running.experiment == policy.experiment:
        return
    if running.mode is not PolicyMode.FORCED:
        raise InputError(
            f"O experimento {running.experiment} está em andamento, e só um distribui usuários por vez.",
            f"Pause ou promova antes: `melancia experiment pause {running.experiment}`.",
        )
    ended = replace(
        running,
        state=PolicyState.ENDED,
        author=policy.author,
        reason=f"Deu lugar ao experimento {policy.experiment}.",
        created_at=utc_now(),
    )
    store.policies.add(ended, running.version)


def _open(policy: Policy) -> Policy:
    if policy.state is PolicyState.ENDED:
        raise InputError(f"O experimento {policy.experiment} foi encerrado.", "Crie outro.")
    return policy


def _with_arm(policy: Policy, name: str, *, paused: bool) -> Policy:
    _open(policy)
    if policy.arm(name) is None:
        names: Sequence[str] = [arm.name for arm in policy.arms]
        raise InputError(f"Não há braço {name}.", f"Os braços são: {', '.join(names)}.")
    arms = tuple(replace(arm, paused=paused) if arm.name == name else arm for arm in policy.arms)
    return replace(policy, arms=arms)
