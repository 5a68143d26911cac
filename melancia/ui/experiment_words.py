"""Words that the views of an experiment share: modes, states, figures, what a version changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from melancia.agent.router import propensities
from melancia.experiments import words
from melancia.mlops.decide.results import Span
from melancia.mlops.decide.words import percent, points
from melancia.mlops.policies import GUARDRAILS, describe
from melancia.records import Arm, Policy, PolicyMode
from melancia.text import decimal
from melancia.ui.render import variant_name

_TEAM = "equipe:"
MODES: Mapping[PolicyMode, str] = {
    PolicyMode.STICKY: "A/B fixo: cada pessoa fica com o seu braço",
    PolicyMode.ADAPTIVE: "adaptativo: os pesos seguem o que se aprende",
    PolicyMode.SHADOW: "sombra: só o primeiro braço é visto, os outros respondem fora da vista",
    PolicyMode.HYBRID: "híbrido: o primeiro braço rascunha, o segundo dá a resposta final a pedido",
    PolicyMode.FORCED: "forçado: um braço responde a todos",
}


@dataclass(frozen=True, slots=True)
class Unit:
    """How a secondary figure is written. ``axis``: its name; the stored value × ``scale`` is in it."""

    axis: str
    scale: float
    write: Callable[[float | None], str]
    difference: Callable[[float | None], str]


def _signed(write: Callable[[float | None], str]) -> Callable[[float | None], str]:
    def written(value: float | None) -> str:
        return f"+{write(value)}" if value is not None and value > 0 else write(value)

    return written


SHARE = Unit("pontos percentuais", 100.0, percent, points)
SECONDS = Unit("segundos", 1.0, words.seconds, _signed(words.seconds))
MONEY = Unit("US$ por resposta", 1.0, words.money, _signed(words.money))
_NAMES = {
    "latency": "latência média",
    "cost": "custo por resposta",
    "failed": "falhas",
    "fell_back": "outro modelo assumiu",
    "refused": "recusas",
    "score:quality": "nota: qualidade",
    "score:relevance": "nota: relevância",
    "score:groundedness": "nota: apoio nas fontes",
    "score:correctness": "nota: correção",
    "score:citation_precision": "nota: precisão das citações",
    "score:citation_recall": "nota: cobertura das citações",
    "score:refusal": "nota: recusa correta",
    "score:language": "nota: idioma",
}
_UNITS = {"latency": SECONDS, "cost": MONEY}


def figure(name: str) -> str:
    """A secondary figure's name; an unknown one as it is written."""
    return _NAMES.get(name, name.replace("score:", "nota: "))


def unit(name: str) -> Unit:
    """The unit of a secondary figure: shares and scores are in points."""
    return _UNITS.get(name, SHARE)


def span(found: Span, write: Callable[[float | None], str] = points) -> str:
    """A difference with the ends of its interval."""
    if found.low is None or found.high is None:
        return write(found.value)
    return f"{write(found.value)} [{write(found.low)}; {write(found.high)}]"


def whole(number: int) -> str:
    """A count with points for thousands: ``12.345``."""
    return f"{number:,}".replace(",", ".")


def guardrail(name: str) -> str:
    """What a guardrail bounds, without its unit."""
    return GUARDRAILS.get(name, name).partition(",")[0]


def bound(name: str, value: float) -> str:
    """The bound of a guardrail as people write it."""
    if name == "p95_latency":
        return f"até {_short(value)} s"
    if name == "daily_spend":
        return f"até US$ {_short(value)}"
    return f"{'ao menos' if name == 'groundedness' else 'até'} {_short(100 * value)} %"


def author(name: str) -> str:
    """Who made a version."""
    return name.removeprefix(_TEAM) or "desconhecido"


def variant(arm: Arm) -> str:
    """Model and settings of an arm."""
    found = arm.variant
    return (
        f"{variant_name(found)}, prompt {found.prompt_version}, temperatura {_short(found.temperature)}, "
        f"{words.plural(found.k, 'trecho', 'trechos')}"
    )


def weights(policy: Policy) -> str:
    """The weights as they can be written again: ``A=50; B=50``."""
    return "; ".join(f"{arm.name}={_short(arm.weight)}" for arm in policy.arms)


def guardrails(policy: Policy) -> str:
    """The guardrails as they can be written again: ``error_rate=0,1; p95_latency=20``."""
    return "; ".join(f"{name}={_short(value)}" for name, value in sorted(policy.guardrails.items()))


def changed(before: Policy | None, after: Policy, *, named: bool) -> Sequence[str]:
    """What version ``after`` changed."""
    if before is None:
        arms = [f"{arm.name}: {variant(arm)}" for arm in after.arms] if named else []
        return [f"começo, {_shares(after)}", *arms]
    said = []
    if describe(before) != describe(after):
        said.append(f"{describe(before)} → {describe(after)}")
    elif before.mode is not after.mode:
        said.append(MODES[after.mode])
    for arm in after.arms:
        old = before.arm(arm.name)
        if old is None:
            said.append(f"braço {arm.name} entra")
        elif old.paused != arm.paused:
            said.append(f"braço {arm.name} {'pausado' if arm.paused else 'retomado'}")
        if old is not None and old.variant != arm.variant:
            said.append(f"braço {arm.name}: {variant(arm) if named else 'outra variante'}")
    if weights(before) != weights(after):
        said.append(f"pesos: {_shares(after)}")
    if before.guardrails != after.guardrails:
        kept = "; ".join(
            f"{guardrail(name)} {bound(name, value)}" for name, value in after.guardrails.items()
        )
        said.append(f"proteções: {kept or 'nenhuma'}")
    return said or ["sem efeito à vista"]


def _shares(policy: Policy) -> str:
    given = propensities(policy)
    if not given:
        return weights(policy)
    return ", ".join(f"{arm.name} {percent(given.get(arm.name, 0.0), 0)}" for arm in policy.arms)


def _short(value: float) -> str:
    """A number that somebody typed, as they typed it."""
    return f"{value:.6g}".replace(".", ",") if abs(value) < 1e6 else decimal(value, 0)
