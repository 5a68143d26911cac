"""Text, HTML, PDF and DOCX become searchable documents; what cannot be read is named with its reason."""

import io
import zipfile
from pathlib import Path

import pytest
from pypdf import PdfWriter

from melancia.index.catalog import Catalog
from melancia.knowledge.ingest import IngestReport, ingest

SENTENCE = "O frete grátis aumenta a conversão do anúncio em categorias de giro."
PAGE = f"""<html><head><title>Frete e conversão</title></head><body><nav>Menu Entrar Sair</nav>
<article><h1>Frete e conversão</h1><h2>Por que importa</h2><p>{SENTENCE} O prazo de entrega também pesa na
decisão de compra, e quem promete menos dias costuma converter mais.</p>
<table><tr><th>Prazo</th><th>Conversão</th></tr><tr><td>1 dia</td><td>4%</td></tr></table></article>
<script>var segredo = 1;</script></body></html>"""


def pdf(text: str) -> bytes:
    """A one-page PDF that says ``text``, written by hand."""
    stream = b"BT /F1 12 Tf 72 720 Td (" + text.encode("cp1252") + b") Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length " + str(len(stream)).encode() + b" >>\nstream\n" + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode()
    return bytes(out)


def docx(*paragraphs: tuple[str, str]) -> bytes:
    """A DOCX of (style, text) paragraphs, the smallest that is valid."""
    names = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        'wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        'officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        "<w:body>"
        + "".join(
            f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
            for style, text in paragraphs
        )
        + "</w:body></w:document>",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in names.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return buffer.getvalue()


def locked_pdf() -> bytes:
    """A PDF that only a password opens."""
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("senha")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def empty_pdf() -> bytes:
    """A page without text, as a scanner makes it."""
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """An empty catalog."""
    return Catalog(tmp_path / "catalog.db")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    made = tmp_path / "docs"
    made.mkdir()
    return made


def read(catalog: Catalog, folder: Path, name: str, content: bytes) -> IngestReport:
    """Ingest ``folder`` with one more file."""
    (folder / name).write_bytes(content)
    return ingest(catalog, [folder])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("nota.txt", SENTENCE.encode()),
        ("pagina.html", PAGE.encode()),
        ("antiga.htm", PAGE.replace("<head>", '<head><meta charset="iso-8859-1">').encode("iso-8859-1")),
        ("manual.pdf", pdf(SENTENCE)),
        ("manual.docx", docx(("Heading1", "Frete"), ("Normal", SENTENCE))),
    ],
)
def test_each_kind_is_read_and_skipped_when_unchanged(
    catalog: Catalog, folder: Path, name: str, content: bytes
) -> None:
    report = read(catalog, folder, name, content)
    assert (report.added, report.failures) == (1, ())
    text = " ".join(chunk.section_text for chunk in catalog.chunks())
    assert "O frete grátis aumenta a conversão" in " ".join(text.split())
    assert catalog.documents()[0].id == name
    assert ingest(catalog, [folder]).unchanged == 1


def test_a_pages_article_is_kept_and_its_menu_and_scripts_are_not(catalog: Catalog, folder: Path) -> None:
    read(catalog, folder, "pagina.html", PAGE.encode())
    text = " ".join(chunk.section_text for chunk in catalog.chunks())
    assert "segredo" not in text
    assert "Entrar" not in text
    assert "4%" in text
    assert catalog.documents()[0].title == "Frete e conversão"
    assert any("Por que importa" in chunk.section for chunk in catalog.chunks())


def test_headings_of_a_docx_are_sections(catalog: Catalog, folder: Path) -> None:
    content = docx(
        ("Heading1", "Manual"),
        ("Heading2", "Prazos"),
        ("Normal", SENTENCE),
        ("Heading2", "Preços"),
        ("Normal", "O preço final inclui o frete que o comprador paga."),
    )
    read(catalog, folder, "manual.docx", content)
    assert {chunk.section for chunk in catalog.chunks()} == {"Prazos", "Preços"}
    assert catalog.documents()[0].title == "Manual"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.pdf", b"isto nao e um pdf", "danificado"),
        ("b.pdf", locked_pdf(), "senha"),
        ("c.pdf", empty_pdf(), "digitalizado"),
        ("d.docx", b"isto nao e um docx", "danificado"),
        ("e.html", b"<html><body></body></html>", "texto"),
        ("f.txt", b"\xff\xfe\x00", "UTF-8"),
        ("g.txt", b"a\x00b", "nulos"),
        ("h.txt", b"  \n", "vazio"),
    ],
)
def test_what_cannot_be_read_is_named_and_the_others_go_on(
    catalog: Catalog, folder: Path, name: str, content: bytes, reason: str
) -> None:
    (folder / "bom.txt").write_text(SENTENCE, "utf-8")
    report = read(catalog, folder, name, content)
    assert report.added == 1
    (failure,) = report.failures
    assert name in failure.path
    assert reason in failure.reason


def test_files_of_one_stem_do_not_collide(catalog: Catalog, folder: Path) -> None:
    (folder / "manual.md").write_text(f"# Manual\n\n{SENTENCE}\n", "utf-8")
    read(catalog, folder, "manual.txt", b"Outro texto que tambem deve ser encontrado por quem procura.")
    assert {document.id for document in catalog.documents()} == {"manual", "manual.txt"}


def broken_docx() -> bytes:
    """A DOCX whose text is no XML."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(docx(("Normal", SENTENCE)))) as whole, zipfile.ZipFile(made, "w") as part:
        for name in whole.namelist():
            part.writestr(name, b"<w:document" if name == "word/document.xml" else whole.read(name))
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b.docx", broken_docx()),
        ("b.docx", docx(("Normal", SENTENCE))[:-30]),
        ("b.pdf", pdf(SENTENCE).replace(b"/Length", b"/Filter /Fl /Length")),
        ("b.md", f"---\nid: b\ndate: 2024-02-30\n---\n# B\n\n{SENTENCE}".encode()),
        ("b.md", f"---\nid: {'[' * 5000}\n---\n# B\n\n{SENTENCE}".encode()),
    ],
)
def test_a_damaged_file_keeps_no_other_out(tmp_path: Path, name: str, content: bytes) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for whole in ("a.md", "c.md"):
        (folder / whole).write_text(f"# {whole}\n\n{SENTENCE}", "utf-8")
    (folder / name).write_bytes(content)
    report = ingest(Catalog(tmp_path / "catalog.db"), [folder])
    assert (report.added, [failure.path for failure in report.failures]) == (2, [str(folder / name)])
