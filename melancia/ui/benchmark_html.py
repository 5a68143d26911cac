"""Pieces of HTML that the views of a benchmark share. Arguments are HTML already unless they say "text"."""

from collections.abc import Iterable, Sequence

from melancia.llms.select import EXTRACTIVE
from melancia.records import Variant
from melancia.ui.job_view import text


def table(caption: str, columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """A table in a box of its own, which scrolls when it is wider than the page.

    ``caption`` and ``columns`` are texts, a column's second line what stands under its figures; a row is its
    header and its cells.
    """
    head = "".join(f'<th scope="col">{value(*column.splitlines())}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, cells in rows
    )
    # The box is focusable, or a keyboard could not scroll it. What is seen of the caption stands outside: in
    # the table, a narrow screen would cut it.
    return (
        f'<p class="titulo" aria-hidden="true">{text(caption)}</p>'
        f'<div class="quadro" role="region" aria-label="{text(caption)}" tabindex="0"><table>'
        f"<caption>{text(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def value(main: str, *below: str) -> str:
    """A figure with what belongs to it under it; all texts."""
    return text(main) + "".join(f"<small>{text(line)}</small>" for line in below if line)


def model(variant: Variant, name: str) -> str:
    """A model's name (text), marked when it is the control."""
    mark = ' <span class="controle">controle</span>' if variant.provider == EXTRACTIVE else ""
    return f"{text(name)}{mark}"


def items(lines: Iterable[str], kind: str = "ul") -> str:
    """A list; "" of nothing."""
    inner = "".join(f"<li>{line}</li>" for line in lines)
    return f"<{kind}>{inner}</{kind}>" if inner else ""


def heading(title: str) -> str:
    """Of a part of the result (text)."""
    return f"<h4>{text(title)}</h4>"


def folded(title: str, inner: str) -> str:
    """What is there for who wants it; ``title`` is text."""
    return f"<details><summary>{text(title)}</summary>{inner}</details>" if inner else ""


def note(said: str) -> str:
    """A quiet remark (text)."""
    return f'<p class="tarefa-nota">{text(said)}</p>'
