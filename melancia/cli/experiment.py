"""``experiment``: create, watch and change the experiments that route users."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from melancia.cli import experiment_options as options
from melancia.cli.options import AsJson, author

if TYPE_CHECKING:
    from collections.abc import Callable

    from melancia.mlops.verdicts import Checked
    from melancia.records import Policy
    from melancia.settings import Settings
    from melancia.store import Store

app = typer.Typer(help="Experimentos: braços, pesos, pausas, vereditos.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NOME", help="Nome do experimento.")]
Reason = Annotated[str, typer.Option(help="Por quê; fica no histórico.")]
ArmName = Annotated[str, typer.Option("--arm", help="Só este braço.")]


@app.command()
def create(
    name: Name,
    *,
    arm: Annotated[
        list[str],
        typer.Option(help="NOME=provedor:modelo[,prompt=v1][,temperature=0.2][,k=5]; dê dois ou mais."),
    ],
    weights: Annotated[str, typer.Option(help="Pesos, na ordem dos braços; vazio: iguais.")] = "",
    mode: Annotated[str, typer.Option(help="sticky, adaptive, shadow, hybrid ou forced.")] = "sticky",
    guardrail: Annotated[
        list[str] | None, typer.Option(help="Limite de proteção, como p95_latency=20; repita para mais.")
    ] = None,
    floor: Annotated[float, typer.Option(min=0, max=0.5, help="Parte mínima de um braço (adaptive).")] = 0.1,
    forced: Annotated[str, typer.Option(help="O braço de todos (forced).")] = "",
    reason: Reason,
) -> None:
    """Começa um experimento, que passa a distribuir os usuários."""
    from melancia.mlops import policies
    from melancia.mlops.arm_check import check_arms
    from melancia.records import Policy

    settings, store = _open()
    wanted = Policy(
        name,
        options.arms(arm, weights, settings),
        "",
        mode=options.mode(mode),
        guardrails=options.guardrails(guardrail or ()),
        floor=floor,
        forced=forced,
        author=author(),
        reason=reason,
    )
    warnings = check_arms(wanted, settings)
    _say(policies.create(store, wanted))
    for warning in warnings:
        typer.echo(f"Aviso: {warning}", err=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Lista os experimentos."""
    from melancia.mlops.policies import describe

    _, store = _open()
    known = store.policies.list()
    if as_json:
        typer.echo(json.dumps([_plain(policy) for policy in known], ensure_ascii=False, indent=2))
        return
    if not known:
        typer.echo("Nenhum experimento. Crie um com `melancia experiment create`.")
    for policy in known:
        arms = ", ".join(f"{arm.name} {arm.variant.label}" for arm in policy.arms)
        typer.echo(f"{policy.experiment} (versão {policy.version}): {describe(policy)}; {arms}")


@app.command()
def status(name: Name, as_json: AsJson = False) -> None:
    """Mostra braços, pesos e histórico de um experimento."""
    from melancia.agent.arm_models import awaited
    from melancia.mlops.policies import newest
    from melancia.records import PolicyState

    settings, store = _open()
    policy = newest(store, name)
    history = store.policies.history(name)
    if as_json:
        typer.echo(json.dumps([_plain(one) for one in history], ensure_ascii=False, indent=2))
        return
    _say(policy)
    missing = awaited(policy, store.models.list(), pulled=settings.has_worker)
    if missing and policy.state is PolicyState.RUNNING:
        names = ", ".join(missing)
        typer.echo(f"  Ninguém é distribuído por enquanto: o Ollama ainda não tem {names}.")
        typer.echo("  O worker baixa o que falta; veja `melancia doctor`.")
    typer.echo("Histórico:")
    for one in history:
        when = one.created_at.astimezone().strftime("%d/%m/%Y %H:%M")
        typer.echo(f"  {one.version}. {when}, {one.author or 'desconhecido'}: {one.reason or 'sem motivo'}")


@app.command()
def pause(name: Name, *, arm: ArmName = "", reason: Reason) -> None:
    """Pausa o experimento, ou um braço: os usuários dele vão para os outros."""
    from melancia.mlops import policies

    _change(lambda store: policies.pause(store, name, author(), reason, arm))


@app.command()
def resume(name: Name, *, arm: ArmName = "", reason: Reason) -> None:
    """Retoma o experimento, ou um braço pausado."""
    from melancia.mlops import policies

    _change(lambda store: policies.resume(store, name, author(), reason, arm))


@app.command()
def guard(
    name: Name,
    *,
    guardrail: Annotated[
        list[str] | None,
        typer.Option(help="Limite, como p95_latency=20; repita para mais. Sem nenhum: sem proteções."),
    ] = None,
    reason: Reason,
) -> None:
    """Troca as proteções; as que não forem dadas deixam de valer."""
    from melancia.mlops import policies

    bounds = options.guardrails(guardrail or ())
    _change(lambda store: policies.guard(store, name, author(), reason, bounds))


@app.command()
def mode(
    name: Name,
    new: Annotated[str, typer.Argument(metavar="MODO", help="sticky, adaptive, shadow ou hybrid.")],
    *,
    reason: Reason,
) -> None:
    """Muda o modo, como da sombra para o A/B; o que já foi respondido continua valendo."""
    from melancia.mlops import policies

    wanted = options.mode(new)
    _change(lambda store: policies.remode(store, name, author(), reason, wanted))


@app.command()
def promote(
    name: Name, arm: Annotated[str, typer.Argument(metavar="BRAÇO", help="O braço.")], *, reason: Reason
) -> None:
    """Dá um braço a todos os usuários."""
    from melancia.mlops import policies

    _change(lambda store: policies.promote(store, name, author(), reason, arm))


@app.command()
def rollback(
    name: Name,
    *,
    version: Annotated[int | None, typer.Option(min=1, help="A versão; vazio: a anterior.")] = None,
    reason: Reason,
) -> None:
    """Volta ao que era numa versão anterior, como versão nova."""
    from melancia.mlops import policies

    _change(lambda store: policies.rollback(store, name, author(), reason, version))


@app.command()
def end(name: Name, *, reason: Reason) -> None:
    """Encerra o experimento; o histórico fica."""
    from melancia.mlops import policies

    _change(lambda store: policies.end(store, name, author(), reason))


@app.command()
def verdict(
    name: Name,
    as_json: AsJson = False,
    check: Annotated[
        bool, typer.Option("--check", help="Refaz os vereditos guardados e diz se dão o mesmo.")
    ] = False,
) -> None:
    """Diz o que as evidências mostram até agora, e guarda o veredito."""
    from melancia.cli.verdict_text import table
    from melancia.mlops import verdicts

    _, store = _open()
    if check:
        checked = verdicts.verify(store, name)
        for one in checked:
            typer.echo(f"veredito {one.line}: {_compared(one)}")
        if not checked:
            typer.echo("Nenhum veredito guardado ainda.")
        if not all(one.same or one.erased for one in checked):
            raise typer.Exit(1)
        return
    kept = verdicts.conclude(store, name)
    if as_json:
        typer.echo(json.dumps(kept.verdict.as_dict(), ensure_ascii=False, indent=2))
        return
    typer.echo(kept.verdict.text)
    typer.echo(table(kept.verdict))
    typer.echo(f"Veredito {kept.line}, com o que se sabia em {kept.as_of.astimezone():%d/%m/%Y %H:%M:%S}.")


def _compared(checked: "Checked") -> str:
    if checked.same:
        return "o mesmo"
    if not checked.erased:
        return "DIFERENTE do que está guardado"
    lines = "linha apagada" if checked.erased == 1 else "linhas apagadas"
    return f"não pode mais ser conferido: {checked.erased} {lines} desde então (LGPD ou prazo)"


def _open() -> "tuple[Settings, Store]":
    from melancia.settings import load_settings
    from melancia.store import Store

    settings = load_settings()
    return settings, Store.open(settings.store_url)


def _change(change: "Callable[[Store], Policy]") -> None:
    _, store = _open()
    _say(change(store))


def _say(policy: "Policy") -> None:
    from melancia.agent.router import propensities
    from melancia.mlops.policies import describe

    shares = propensities(policy)
    typer.echo(f"{policy.experiment}, versão {policy.version}: {describe(policy)} (modo {policy.mode.value})")
    for arm in policy.arms:
        share = f"{100 * shares.get(arm.name, 0.0):.0f} % dos usuários"
        typer.echo(f"  {arm.name}  {arm.variant.label}  {share}{'  pausado' if arm.paused else ''}")
    for name, bound in policy.guardrails.items():
        typer.echo(f"  proteção: {name} {bound:g}".replace(".", ","))


def _plain(policy: "Policy") -> dict[str, object]:
    from dataclasses import asdict

    return asdict(policy) | {"created_at": policy.created_at.isoformat(), "hash": policy.hash}
