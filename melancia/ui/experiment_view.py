"""An experiment as HTML: where it stands, the verdict, its arms. What is below the charts is elsewhere."""

from melancia.agent.router import propensities
from melancia.experiments import words
from melancia.mlops.decide.guardrails import bounds
from melancia.mlops.decide.results import ArmFigures, Comparison, Contrast, Status, Verdict
from melancia.mlops.decide.words import percent
from melancia.mlops.policies import describe
from melancia.records import Arm, PolicyMode, PolicyState, utc_now
from melancia.ui import benchmark_html as html
from melancia.ui import experiment_words as names
from melancia.ui.experiment_data import Line, Shown, can_conclude
from melancia.ui.job_view import moment, text

NONE = '<p class="tarefa-nota">Nenhum experimento foi criado ainda.</p>'
_ALPHA = 0.05
_COLUMNS = (
    "Braço",
    "Parte das\npessoas",
    "Perguntas\nde pessoas",
    "Positivas de\navaliações",
    "Aprovação",
    "Falhas",
    "Outro modelo\nassumiu",
    "Recusas",
    "Latência\nmédia",
    "Custo por\nresposta",
)
_PAIRED_NOTES = {
    "shadow": (
        "Só as perguntas que os dois braços responderam. As respostas da sombra ninguém vê: elas não têm "
        "avaliações, e o veredito compara as notas automáticas na mesma pergunta."
    ),
    "final": (
        "Só as perguntas que têm rascunho e resposta final. Foram escolhidas: alguém pediu, ou o rascunho "
        "falhou. Por isso as avaliações positivas dos dois não se comparam, e não há vencedor."
    ),
}
_STATUS = {
    Status.BLOCKED: "bloqueado: a divisão das pessoas falhou",
    Status.TOO_EARLY: "cedo demais",
    Status.UNDECIDED: "sem decisão ainda",
    Status.TIE: "empate até aqui",
    Status.BETTER: "há um melhor",
    Status.AHEAD: "um responde melhor fora da vista",
    Status.DESCRIBED: "sem vencedor neste modo",
    Status.GUARDRAIL: "proteção ultrapassada",
}


def overview(shown: Shown) -> str:
    """State, verdict and arms."""
    parts = (_head(shown), _awaited(shown), _verdict(shown), _arms(shown), _needed(shown.newest))
    return f'<div class="benchmark experimento">{"".join(parts)}</div>'


def status(found: Status) -> str:
    """Where a verdict stands, in few words."""
    return _STATUS[found]


def _head(shown: Shown) -> str:
    policy = shown.policy
    began = shown.history[-1].created_at if shown.history else policy.created_at
    # A promoted one's mode is what its badge says.
    mode = "" if policy.mode is PolicyMode.FORCED else f"Modo {names.MODES[policy.mode]}. "
    reason = f": {policy.reason}" if policy.reason else ""
    return (
        f'<h3>{text(policy.experiment)} <span class="etiquetas">{_badges(shown)}</span></h3>'
        f'<p class="tarefa-nota">{text(mode)}Começou em {moment(began)}. Versão {policy.version}, desde '
        f"{moment(policy.created_at)}, por {text(names.author(policy.author))}{text(reason)}</p>"
    )


def _awaited(shown: Shown) -> str:
    if not shown.awaited:
        return ""
    which = words.listed(shown.awaited) if shown.named else "um modelo"
    said = f"Ninguém é distribuído por enquanto: o Ollama ainda não tem {which}."
    return f'<p class="alerta">⏳ {text(said)}</p>'


def _badges(shown: Shown) -> str:
    policy, newest = shown.policy, shown.newest
    kind = "" if policy.state is PolicyState.RUNNING else " parado"
    found = [_badge(describe(policy), kind)]
    paused = [arm.name for arm in policy.arms if arm.paused]
    if paused and policy.state is PolicyState.RUNNING:
        found.append(_badge(f"{words.listed(paused)} em pausa", " parado"))
    if newest is not None and newest.verdict.status in (Status.BLOCKED, Status.GUARDRAIL):
        found.append(_badge(_STATUS[newest.verdict.status], " grave"))
    return " ".join(found)


def _badge(said: str, kind: str) -> str:
    return f'<span class="etiqueta{kind}">{text(said)}</span>'


def _verdict(shown: Shown) -> str:
    newest = shown.newest
    if newest is None:
        after = " Quem administra pode calculá-lo agora." if can_conclude() else ""
        said = (
            f"Ainda não há veredito. O worker calcula a cada hora, enquanto o experimento anda.{after}"
            if shown.policy.state is PolicyState.RUNNING
            else "Não há veredito."
        )
        return f'<p class="exp-veredito">{text(said)}</p>'
    grave = " grave" if newest.verdict.status in (Status.BLOCKED, Status.GUARDRAIL) else ""
    version = "" if newest.version == shown.policy.version else f" É da versão {newest.version}."
    hourly = " O worker calcula a cada hora." if shown.policy.state is PolicyState.RUNNING else ""
    return (
        f'<p class="exp-veredito{grave}">{text(newest.verdict.text)}</p>'
        f'<p class="tarefa-nota">Veredito {newest.number}, com o que se sabia em {moment(newest.until)} '
        f"({_age(newest)}).{version}{hourly}</p>"
    )


def _age(line: Line) -> str:
    minutes = max(0, round((utc_now() - line.until).total_seconds() / 60))
    if minutes < 60:
        return f"há {minutes} min" if minutes else "agora"
    hours = minutes // 60
    return f"há {hours} h" if hours < 48 else f"há {hours // 24} dias"


def _needed(newest: Line | None) -> str:
    """How many ratings are missing, for each comparison that says so."""
    said = []
    for found in newest.verdict.comparisons if newest else ():
        pair = f"{found.challenger} contra {found.base}"
        what = "perguntas" if found.paired else "avaliações"
        if found.paired == "final":
            continue
        if found.needed:
            said.append(f"{pair}: faltam ≈ {names.whole(found.needed)} {what}, se a diferença for esta")
        if found.needed_for_least:
            said.append(
                f"{pair}: faltam ≈ {names.whole(found.needed_for_least)} para ver a menor diferença que "
                "importa"
            )
    if not said:
        return ""
    head = (
        "Perguntas que faltam" if newest and newest.verdict.comparisons[0].paired else "Avaliações que faltam"
    )
    return f"{html.heading(head)}{html.items(text(f'{line}.') for line in said)}"


def _arms(shown: Shown) -> str:
    shares = propensities(shown.policy)
    verdict = shown.newest.verdict if shown.newest else None
    rows = [_arm(shown, arm, shares.get(arm.name, 0.0), verdict) for arm in shown.policy.arms]
    note = _PAIRED_NOTES.get(shown.paired) or (
        "Cada resposta conta para o braço sorteado, quem quer que tenha respondido. O intervalo das "
        "avaliações positivas, de 95 %, conta quem avalia muito como pouco mais que uma pessoa. A aprovação, "
        "que decide, também usa as notas automáticas. O veredito compara a diferença, abaixo."
    )
    return html.table("Braços", _COLUMNS, rows) + (html.note(note) if verdict else "")


def _arm(shown: Shown, arm: Arm, share: float, verdict: Verdict | None) -> tuple[str, list[str]]:
    about = names.variant(arm).split(", ", 1) if shown.named else []
    head = html.value(f"{arm.name}{' (em pausa)' if arm.paused else ''}", *about)
    part = html.value(percent(share, 0))
    found = next((one for one in verdict.arms if one.arm == arm.name), None) if verdict else None
    if found is None:
        return head, [part, *["–"] * (len(_COLUMNS) - 2)]
    return head, [
        part,
        html.value(names.whole(found.questions), names.whole(found.users)),
        _thumbs(found),
        html.value(percent(found.approval)),
        *(_of(count, found.questions) for count in (found.failed, found.fell_back, found.refused)),
        html.value(_mean(verdict, arm.name, "latency")),
        html.value(_mean(verdict, arm.name, "cost")),
    ]


def _thumbs(found: ArmFigures) -> str:
    if found.thumbs is None:
        return html.value("nenhuma")
    counts = f"{names.whole(found.up)} de {names.whole(found.ratings)}"
    if found.effective_raters < 1:
        return html.value(counts, percent(found.thumbs))
    # Users' worth of ratings, not ratings: a hundred of one person are not a hundred opinions.
    worth = max(1, int(found.effective_raters))
    low, high = bounds(worth, found.thumbs * worth, _ALPHA)
    return html.value(counts, f"{percent(found.thumbs, 0)} [{percent(low, 0)}; {percent(high, 0)}]")


def _of(count: int, questions: int) -> str:
    return html.value(names.whole(count), percent(count / questions) if questions else "")


def _mean(verdict: Verdict | None, arm: str, name: str) -> str:
    """An arm's own mean of a secondary figure, from whichever comparison it is in."""
    for comparison in verdict.comparisons if verdict else ():
        found = _secondary(comparison, name)
        if found is not None and arm in (comparison.base, comparison.challenger):
            value = found.base if arm == comparison.base else found.challenger
            return names.unit(name).write(value)
    return "–"


def _secondary(comparison: Comparison, name: str) -> Contrast | None:
    return next((one for one in comparison.secondary if one.name == name), None)
