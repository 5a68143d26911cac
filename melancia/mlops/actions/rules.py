"""The rule table: which finding leads to which action. Data, read from YAML and checked whole."""

import difflib
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic import model_validator as validator

from melancia.errors import InputError, SettingsError
from melancia.jobs import catalog
from melancia.mlops.figure_names import FIGURES
from melancia.records import Finding
from melancia.validation import reason

Kind = Literal["alert", "benchmark", "hold", "pause", "gaps"]
Severity = Literal["info", "warning", "critical"]
_SEVERITIES: Sequence[str] = get_args(Severity)
_OURS = ("report", "topic", "resume", "categories")  # of a benchmark: what is not for a rule to say
_SPAN = re.compile(r"([1-9]\d{0,3})([hd])")
_HOW = "O formato está em docs/acoes.md."


def _span(value: Any) -> timedelta:
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("deve ser um prazo como 12h ou 7d")
    return timedelta(hours=int(found[1]) * (24 if found[2] == "d" else 1))


def _known(pattern: str) -> str:
    if not any(fnmatchcase(name, pattern) for name in FIGURES):
        near = difflib.get_close_matches(pattern, FIGURES, n=1)
        hint = f"quis dizer {near[0]}?" if near else f"há: {', '.join(FIGURES)}"
        raise ValueError(f"não conhece a medida “{pattern}” ({hint})")
    return pattern


Patterns = Annotated[list[str], Field(min_length=1)]


class Rule(BaseModel):
    """One rule. Patterns are those of ``fnmatch``; of several, one must match.

    ``arms`` and ``topics``: ``*`` is any finding, ``?*`` only those of an arm, ``""`` only those of all.
    ``severity`` is the least one. ``worse``: only what got worse. ``drifted``: False takes also what did not
    change. ``min_value``, ``max_value`` bound the figure now, ``min_change`` how far it is from what it was.
    ``cooldown``: how long the same does not happen again. ``parameters``: of the benchmark.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    figures: Annotated[list[Annotated[str, AfterValidator(_known)]], Field(min_length=1)]
    kind: Kind
    text: str = Field(min_length=1, max_length=300)
    cooldown: Annotated[timedelta, BeforeValidator(_span)]
    severity: Severity = "info"
    arms: Patterns = ["*"]
    topics: Patterns = ["*"]
    worse: bool = False
    drifted: bool = True
    min_value: float | None = None
    max_value: float | None = None
    min_change: float | None = Field(None, ge=0)
    parameters: dict[str, Any] = {}

    @validator(mode="after")
    def _benchmark(self) -> "Rule":
        if self.parameters and self.kind != "benchmark":
            raise ValueError("só tem parâmetros quando a ação é benchmark")
        for name in _OURS:
            if name in self.parameters:
                raise ValueError(f"não pode dizer “{name}”, que vem do achado")
        try:
            catalog.parameters("benchmark", self.parameters)
        except InputError as error:
            raise ValueError(f"tem parâmetros que não valem: {error}") from error
        return self

    def matches(self, finding: Finding) -> bool:
        """Whether ``finding`` is one of those that the rule is about."""
        return (
            (finding.drifted or not self.drifted)
            and _any(self.figures, finding.figure)
            and _any(self.arms, finding.arm)
            and _any(self.topics, finding.topic)
            and _SEVERITIES.index(finding.severity) >= _SEVERITIES.index(self.severity)
            and (not self.worse or worsened(finding))
            and self._in_bounds(finding)
        )

    def _in_bounds(self, finding: Finding) -> bool:
        """A figure that is not known is in no bounds."""
        value, before = finding.value, finding.reference
        if self.min_value is not None and (value is None or value < self.min_value):
            return False
        if self.max_value is not None and (value is None or value > self.max_value):
            return False
        if self.min_change is None:
            return True
        return value is not None and before is not None and abs(value - before) >= self.min_change


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rules: list[Rule]

    @validator(mode="after")
    def _once(self) -> "_Table":
        names = [rule.name for rule in self.rules]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"tem duas regras chamadas “{name}”")
        return self


def worsened(finding: Finding) -> bool:
    """Whether the figure moved in the direction in which things get worse."""
    known = FIGURES.get(finding.figure)
    if known is None or finding.value is None or finding.reference is None:
        return False
    return known.worse * (finding.value - finding.reference) > 0


def load(path: Path) -> tuple[Rule, ...]:
    """The rules of ``path``, in their order. Raises SettingsError naming the line and what to do."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"A tabela de regras {path} não pode ser lida.",
            "Confira MELANCIA_RULES_FILE e se o texto está em UTF-8.",
        ) from error
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_repeated(path, tree)
        return tuple(_Table.model_validate(yaml.safe_load(text) or {}).rules)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise SettingsError(f"{path}, linha {line}: não é YAML.", f"Confira os espaços. {_HOW}") from error
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        # A name that was mistyped is missing, too: that it does not exist says more.
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
        raise _refusal(path, tree, first) from error


def _refusal(path: Path, tree: yaml.Node | None, found: Mapping[str, Any]) -> SettingsError:
    place = found["loc"]
    names = [part for part in place if isinstance(part, str)]
    field = names[-1] if names and (names[-1] != "rules" or place[-1] == "rules") else ""
    said = reason(found)
    what = f"“{field}” {said}" if field else f"a {'regra' if len(place) > 1 else 'tabela'} {said}"
    accepted = Rule.model_fields if len(place) > 1 else _Table.model_fields
    remedy = f"Campos aceitos: {', '.join(accepted)}. {_HOW}" if "_forbidden" in found["type"] else _HOW
    return SettingsError(f"{path}, linha {_line(tree, place)}: {what}.", remedy)


def _line(tree: yaml.Node | None, place: Sequence[str | int]) -> int:
    """The line of what is nearest to ``place`` in the document."""
    node, line = tree, 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == part), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _refuse_repeated(path: Path, node: yaml.Node | None) -> None:
    """YAML's reader would keep the last of two equal keys without a word."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated(path, item)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise SettingsError(f"{path}, linha {line}: “{key.value}” se repete.", _HOW)
            seen.add(key.value)
            _refuse_repeated(path, value)


def _any(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
