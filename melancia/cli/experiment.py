"""``experiment``: create, watch and change the experiments that route users."""

import getpass
import json
from typing import TYPE_CHECKING, Annotated

import typer

from melancia.cli.options import AsJson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from melancia.records import Arm, Policy, PolicyMode, Variant
    from melancia.settings import Settings
    from melancia.store import Store

app = typer.Typer(help="Experimentos: braços, pesos, pausas, vereditos.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Nome do experimento.")]
Reason = Annotated[str, typer.Option(help="Por quê; fica no histórico.")]
ArmName = Annotated[str, typer.Option("--arm", help="Só este braço.")]
_ARM_FIELDS = ("prompt", "temperature", "max_tokens", "context_window", "k")


@app.command()
def create(
    name: Name,
    *,
    arm: Annotated[
        list[str],
        typer.Option(help="NOME=provedor:modelo[,prompt=v1][,temperature=0.2][,k=5]; dê dois ou mais."),
    ],
    weights: Annotated[str, typer.Option(help="Pesos, na ordem dos braços; vazio: iguais.")] = "",
    mode: Annotated[str, typer.Option(help="sticky, adaptive ou forced.")] = "sticky",
    guardrail: Annotated[
        list[str] | None, typer.Option(help="Limite de proteção, como p95_latency=20; repita para mais.")
    ] = None,
    floor: Annotated[float, typer.Option(min=0, max=0.5, help="Parte mínima de um braço (adaptive).")] = 0.1,
    forced: Annotated[str, typer.Option(help="O braço de todos (forced).")] = "",
    reason: Reason,
) -> None:
    """Começa um experimento, que passa a distribuir os usuários."""
    from melancia.mlops import policies
    from melancia.records import Policy

    settings, store = _open()
    wanted = Policy(
        name,
        _arms(arm, weights, settings),
        "",
        mode=_mode(mode),
        guardrails=_guardrails(guardrail or ()),
        floor=floor,
        forced=forced,
        author=_author(),
        reason=reason,
    )
    _say(policies.create(store, wanted))


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
    from melancia.mlops.policies import newest

    _, store = _open()
    policy = newest(store, name)
    history = store.policies.history(name)
    if as_json:
        typer.echo(json.dumps([_plain(one) for one in history], ensure_ascii=False, indent=2))
        return
    _say(policy)
    typer.echo("Histórico:")
    for one in history:
        when = one.created_at.astimezone().strftime("%d/%m/%Y %H:%M")
        typer.echo(f"  {one.version}. {when}, {one.author or 'desconhecido'}: {one.reason or 'sem motivo'}")


@app.command()
def pause(name: Name, *, arm: ArmName = "", reason: Reason) -> None:
    """Pausa o experimento, ou um braço: os usuários dele vão para os outros."""
    from melancia.mlops import policies

    _change(lambda store: policies.pause(store, name, _author(), reason, arm))


@app.command()
def resume(name: Name, *, arm: ArmName = "", reason: Reason) -> None:
    """Retoma o experimento, ou um braço pausado."""
    from melancia.mlops import policies

    _change(lambda store: policies.resume(store, name, _author(), reason, arm))


@app.command()
def promote(name: Name, arm: Annotated[str, typer.Argument(help="O braço.")], *, reason: Reason) -> None:
    """Dá um braço a todos os usuários."""
    from melancia.mlops import policies

    _change(lambda store: policies.promote(store, name, _author(), reason, arm))


@app.command()
def rollback(
    name: Name,
    *,
    version: Annotated[int | None, typer.Option(min=1, help="A versão; vazio: a anterior.")] = None,
    reason: Reason,
) -> None:
    """Volta ao que era numa versão anterior, como versão nova."""
    from melancia.mlops import policies

    _change(lambda store: policies.rollback(store, name, _author(), reason, version))


@app.command()
def end(name: Name, *, reason: Reason) -> None:
    """Encerra o experimento; o histórico fica."""
    from melancia.mlops import policies

    _change(lambda store: policies.end(store, name, _author(), reason))


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
        for line, same in checked:
            typer.echo(f"veredito {line}: {'o mesmo' if same else 'DIFERENTE do que está guardado'}")
        if not checked:
            typer.echo("Nenhum veredito guardado ainda.")
        if not all(same for _, same in checked):
            raise typer.Exit(1)
        return
    kept = verdicts.conclude(store, name)
    if as_json:
        typer.echo(json.dumps(kept.verdict.as_dict(), ensure_ascii=False, indent=2))
        return
    typer.echo(kept.verdict.text)
    typer.echo(table(kept.verdict))
    typer.echo(f"Veredito {kept.line}, com o que se sabia em {kept.as_of.astimezone():%d/%m/%Y %H:%M:%S}.")


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


def _author() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this number, as in a container
        return "terminal"


def _arms(given: "Sequence[str]", weights: str, settings: "Settings") -> "tuple[Arm, ...]":
    from melancia.errors import InputError
    from melancia.records import Arm

    shares = [part.strip() for part in weights.split(",") if part.strip()] or ["1"] * len(given)
    if len(shares) != len(given):
        raise InputError(f"Há {len(given)} braços e {len(shares)} pesos.", "Dê um peso a cada braço.")
    return tuple(
        Arm(name, variant, _number(share, "--weights"))
        for (name, variant), share in zip((_arm(text, settings) for text in given), shares, strict=True)
    )


def _arm(text: str, settings: "Settings") -> "tuple[str, Variant]":
    from pydantic import ValidationError

    from melancia.agent.prompt import load_prompt
    from melancia.errors import InputError
    from melancia.llms import parse_label, resolve_variant

    name, separator, rest = text.partition("=")
    label, *options = rest.split(",")
    if not separator or not label:
        raise InputError(f"“{text}” não diz um braço.", "Escreva como A=ollama:phi3:mini.")
    values: dict[str, object] = {"variant": ":".join(parse_label(label))}
    for option in options:
        field, _, value = option.strip().partition("=")
        if field not in _ARM_FIELDS or not value:
            raise InputError(f"A opção “{option}” de um braço não existe.", f"Há: {', '.join(_ARM_FIELDS)}.")
        values["prompt_version" if field == "prompt" else field] = value
    try:
        checked = type(settings).model_validate({**settings.model_dump(), **values})
    except ValidationError as error:
        wrong = ", ".join(str(part) for one in error.errors() for part in one["loc"])
        raise InputError(
            f"No braço {name.strip()}, um valor não vale: {wrong}.", "Os limites são os de .env.example."
        ) from error
    load_prompt(checked.prompt_version)
    return name.strip(), resolve_variant(checked)


def _mode(text: str) -> "PolicyMode":
    from melancia.errors import InputError
    from melancia.mlops.policies import MODES
    from melancia.records import PolicyMode

    try:
        return PolicyMode(text)
    except ValueError as error:
        raise InputError(f"O modo “{text}” não existe.", f"Há: {', '.join(MODES)}.") from error


def _guardrails(given: "Sequence[str]") -> dict[str, float]:
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        found[name.strip()] = _number(value, f"--guardrail {name}")
    return found


def _number(text: str, where: str) -> float:
    from melancia.errors import InputError

    try:
        return float(text.strip())
    except ValueError as error:
        raise InputError(
            f"{where}: “{text}” não é um número.", "Use ponto nos decimais, como 0.5."
        ) from error
