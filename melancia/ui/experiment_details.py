"""What stands beside an experiment's charts: their figures, the sample ratio, guardrails, who rates."""

from collections.abc import Iterator, Sequence

from melancia.experiments import words
from melancia.mlops.decide.results import Bayes, Comparison, Contrast, Guardrail, SampleRatio, Verdict
from melancia.mlops.decide.words import percent, points
from melancia.text import decimal
from melancia.ui import benchmark_html as html
from melancia.ui import experiment_words as names
from melancia.ui.experiment_data import Line, Shown
from melancia.ui.job_view import moment, text

_WHERE_TO_LOOK = (
    "um braço perde perguntas antes de registrá-las (quedas, bloqueios, tempo esgotado)",
    "o cookie das pessoas não se mantém entre visitas",
    "robôs ou testes perguntam muito de um endereço só",
    "as proporções mudaram sem uma nova versão",
)
_STATES = {"breached": "ultrapassada", "fine": "dentro do limite", "unknown": "sem resposta ainda"}
_SHOWN_MOMENTS = 20


def lead(shown: Shown) -> str:
    """What introduces the chart over time; "" where nothing can be drawn."""
    lines = [one.difference.value for line in shown.alike for one in line.verdict.comparisons]
    if all(value is None for value in lines):
        return ""
    note = (
        "A faixa é o intervalo de 95 %, que vale a qualquer momento; enquanto contém o zero, nada está "
        "decidido. Pontilhado: a menor diferença que importa."
    )
    of = "nota automática na mesma pergunta" if shown.paired else "aprovação"
    return _box(html.heading(f"Diferença de {of} ao longo do tempo"), html.note(note))


def difference(shown: Shown) -> str:
    """The figures of the chart over time, what else is known of that difference, and the lead to the next."""
    if shown.newest is None:
        return ""
    verdict = shown.newest.verdict
    parts = [_comparison(found, verdict) for found in verdict.comparisons]
    deciding = "Só a nota de qualidade decide" if shown.paired == "shadow" else "Estas medidas não decidem"
    note = (
        "Falhas, recusas, latência e custo: à esquerda do zero é melhor. Notas: à direita. "
        f"{deciding}, e de 20 intervalos um pode estar errado."
    )
    following = (
        html.heading("Outras diferenças") + html.note(note)
        if any(one.difference.value is not None for found in verdict.comparisons for one in found.secondary)
        else ""
    )
    return _box(*parts, html.folded("Números do gráfico", _moments(shown.alike)), following)


def secondary(shown: Shown) -> str:
    """The figures of the forest plot."""
    if shown.newest is None:
        return ""
    tables = [
        html.table(
            f"{found.challenger} menos {found.base}: outras medidas",
            ("Medida", found.base, found.challenger, "Diferença\nintervalo de 95 %", "Respostas"),
            [_contrast(one) for one in found.secondary],
        )
        for found in shown.newest.verdict.comparisons
        if found.secondary
    ]
    return _box(html.folded("Números do gráfico", "".join(tables)))


def checks(shown: Shown) -> str:
    """Sample ratio, guardrails, who rates."""
    verdict = shown.newest.verdict if shown.newest else None
    return _box(
        _ratio(verdict.sample_ratio, shown) if verdict else "",
        _guardrails(shown),
        _raters(verdict) if verdict else "",
    )


def _box(*parts: str) -> str:
    inner = "".join(parts)
    return f'<div class="benchmark experimento">{inner}</div>' if inner else ""


def _comparison(found: Comparison, verdict: Verdict) -> str:
    lines = list(_said(found, float(verdict.configuration.get("least_effect", 0.05))))
    heading = f"<p><strong>{text(f'{found.challenger} menos {found.base}')}</strong></p>"
    return heading + html.items(text(line) for line in lines)


def _said(found: Comparison, least: float) -> Iterator[str]:
    if found.paired:
        yield from _said_of_pairs(found, least)
        return
    yield f"aprovação: {names.span(found.difference)} pontos, com intervalo válido a qualquer momento"
    yield f"só com os polegares: {names.span(found.thumbs_only)} pontos"
    if found.p_value is not None:
        yield f"{words.p_value(found.p_value)}, que também vale a qualquer momento"
    if found.early:
        yield "ainda são poucas pessoas para um intervalo"
    if found.weight_of_scores:
        yield f"as notas automáticas entram com peso {decimal(found.weight_of_scores, 2)}"
    if found.weighted:
        yield "cada resposta pesa pelo inverso da chance do seu braço, para que mudar os pesos não distorça"
    yield f"a menor diferença que importa é de {points(least).removeprefix('+')} pontos"
    if found.bayes is not None:
        yield _bayes(found, found.bayes)


def _said_of_pairs(found: Comparison, least: float) -> Iterator[str]:
    span = names.span(found.difference)
    yield f"nota automática na mesma pergunta: {span} pontos, com intervalo válido a qualquer momento"
    if found.p_value is not None:
        yield f"{words.p_value(found.p_value)}, que também vale a qualquer momento"
    pairs, asked = names.whole(found.pairs), names.whole(found.asked)
    if found.paired == "final":
        yield f"{pairs} de {asked} perguntas têm resposta final: as que alguém quis, ou cujo rascunho falhou"
        yield "por isso nada aqui aponta vencedor: é o que o rascunho tem de pior"
    else:
        yield f"{pairs} de {asked} perguntas têm as duas respostas; faltam as que acharam a fila cheia"
        yield "sem polegares: ninguém vê as respostas da sombra"
    if found.early:
        yield "ainda são poucas pessoas para um intervalo"
    yield f"a menor diferença que importa é de {points(least).removeprefix('+')} pontos"


def _bayes(found: Comparison, reading: Bayes) -> str:
    return (
        f"leitura bayesiana, secundária: {words.share(reading.chance_challenger)} de chance de "
        f"{found.challenger} ser melhor; escolher {found.challenger} perderia em média "
        f"{decimal(100 * reading.loss_challenger, 1)} pontos, escolher {found.base}, "
        f"{decimal(100 * reading.loss_base, 1)} (não vale para olhar a toda hora, ao contrário do intervalo)"
    )


def _moments(lines: Sequence[Line]) -> str:
    rows = [
        (
            moment(line.until),
            [
                text(f"{found.challenger} menos {found.base}"),
                names.whole(found.pairs or sum(arm.ratings for arm in line.verdict.arms)),
                text(names.span(found.difference)),
            ],
        )
        for line in lines[:_SHOWN_MOMENTS]
        for found in line.verdict.comparisons
    ]
    paired = any(found.paired for line in lines for found in line.verdict.comparisons)
    counted = "Perguntas" if paired else "Avaliações"
    columns = ("Quando", "Comparação", counted, "Diferença em pontos\nintervalo de 95 %")
    return html.table(f"Os {_SHOWN_MOMENTS} vereditos mais novos", columns, rows)


def _contrast(found: Contrast) -> tuple[str, list[str]]:
    unit = names.unit(found.name)
    return text(names.figure(found.name)), [
        text(unit.write(found.base)),
        text(unit.write(found.challenger)),
        text(names.span(found.difference, unit.difference)),
        " e ".join(names.whole(count) for count in found.count),
    ]


def _ratio(found: SampleRatio, shown: Shown) -> str:
    head = html.heading("Divisão das pessoas")
    if shown.paired:
        return head + html.note("Neste modo ninguém é sorteado: todos recebem o primeiro braço.")
    if not found.known:
        return head + html.note("Ninguém foi sorteado ainda, ou só há um braço aberto.")
    rows = [
        (text(arm.name), [names.whole(found.users.get(arm.name, 0)), _expected(found, arm.name)])
        for arm in shown.policy.arms
    ]
    p_value, alpha = words.p_value(found.p_value), percent(found.alpha, 0)
    verdict = (
        f'<p class="alerta">⚠️ A divisão não é a do sorteio ({text(p_value)}, abaixo de {alpha}): '
        "nenhum número deste experimento é confiável. Verifique se:</p>"
        + html.items(text(f"{line};") for line in _WHERE_TO_LOOK)
        if found.fails
        else f"<p>✅ É a do sorteio ({text(p_value)}; falharia abaixo de {alpha}).</p>"
    )
    return head + verdict + html.table("Pessoas por braço", ("Braço", "Vistas", "Esperadas"), rows)


def _expected(found: SampleRatio, arm: str) -> str:
    return decimal(found.expected.get(arm, 0.0), 1)


def _guardrails(shown: Shown) -> str:
    head = html.heading("Proteções")
    if not shown.policy.guardrails:
        return head + html.note("Este experimento não tem limites de proteção.")
    paused = {arm.name for arm in shown.policy.arms if arm.paused}
    rows = [
        (
            text(f"{found.arm}: {names.guardrail(found.name)}"),
            [
                text(names.bound(found.name, found.bound)),
                html.value(*_watched(found)),
                names.whole(found.count),
                _state(found, paused=found.arm in paused),
            ],
        )
        for found in (shown.newest.verdict.guardrails if shown.newest else ())
    ]
    if not rows:
        bounds = [
            text(f"{names.guardrail(name)}: {names.bound(name, value)}")
            for name, value in shown.policy.guardrails.items()
        ]
        return head + html.items(bounds) + html.note("Ainda não há o que medir.")
    columns = ("Braço e proteção", "Limite", "Medido\nintervalo", "Respostas", "Estado")
    note = (
        "Como no veredito, desde que o braço começou ou foi retomado. O worker vigia sem parar: pausa em "
        "segundos o braço que passa de um limite, com o motivo no histórico, e o vigia do zero quando alguém "
        "o retoma."
    )
    return head + html.table("Limites de cada braço", columns, rows) + html.note(note)


def _watched(found: Guardrail) -> tuple[str, str]:
    """The figure and its interval."""
    if found.value is None:
        return "–", ""
    if found.name == "daily_spend":
        return f"{words.money(found.value)} no maior dia", ""
    ends = "" if found.low is None or found.high is None else f"[{percent(found.low)}; {percent(found.high)}]"
    slow = f" acima de {names.bound(found.name, found.bound).removeprefix('até ')}"
    return f"{percent(found.value)}{slow if found.name == 'p95_latency' else ''}", ends


def _state(found: Guardrail, *, paused: bool) -> str:
    said = text(_STATES.get(found.state, found.state))
    mark = f'<span class="etiqueta grave">{said}</span>' if found.state == "breached" else said
    return f"{mark}<small>braço em pausa</small>" if paused else mark


def _raters(verdict: Verdict) -> str:
    head = html.heading("Quem avalia")
    if any(one.paired for one in verdict.comparisons):
        return ""
    warnings = list(dict.fromkeys(line for one in verdict.comparisons for line in one.raters.warnings))
    rates = [
        f"{one.base}: {percent(one.raters.rates.base)} das respostas são avaliadas; {one.challenger}: "
        f"{percent(one.raters.rates.challenger)}"
        for one in verdict.comparisons
        if any(one.raters.rates.count)
    ]
    rates += [line for one in verdict.comparisons if (line := _asked(one))]
    if not warnings:
        said = html.note("Nada indica que quem avalia distorça a comparação.")
    else:
        said = "".join(f'<p class="alerta">⚠️ {text(line)}</p>' for line in warnings)
    return head + said + html.items(text(f"{line}.") for line in rates)


def _asked(found: Comparison) -> str:
    """Thumbs up of the asked against the others; "" while only one of both kinds has rated."""
    asked = found.raters.asked
    if not all(asked.count):
        return ""
    alone, prompted = (
        f"{percent(share)} das {names.whole(count)}"
        for share, count in zip((asked.base, asked.challenger), asked.count, strict=True)
    )
    return (
        f"{found.challenger} e {found.base}: positivas {prompted} avaliações que a página pediu e {alone} "
        f"espontâneas; diferença de {names.span(asked.difference)} pontos"
    )
