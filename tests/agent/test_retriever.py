"""Retrieval over the real knowledge base, with real vectors."""

from pathlib import Path

import pytest

from melancia.agent.retriever import HybridRetriever
from melancia.errors import InputError
from melancia.index.vectors import ChromaVectors, ExactVectors, open_vectors
from melancia.records import Filters


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("como crio um anuncio patrocinado no mercado livre?", "product-ads-como-funciona"),
        ("qual a diferenca entre full e flex", "envios-full-flex-coleta-e-me1"),
        ("meu ACOS subiu, o que eu olho primeiro?", "diagnostico-acos-subiu"),
        ("como ganho a buy box", "catalogo-e-buy-box-no-mercado-livre"),
    ],
)
def test_the_right_document_is_found(retriever: HybridRetriever, question: str, document: str) -> None:
    found = retriever.search(question)
    assert found.mode == "hybrid"
    assert found.supported
    assert document in [passage.document_id for passage in found.passages[:3]]


def test_typos_do_not_lose_the_document(retriever: HybridRetriever) -> None:
    found = retriever.search("camapnha de prodcut ads como criarr")
    assert "product-ads-como-funciona" in [passage.document_id for passage in found.passages]


@pytest.mark.parametrize(
    "question",
    ["Qual a altura do monte Everest?", "me passa uma receita de lasanha", "quem foi Machado de Assis"],
)
def test_the_base_does_not_support_what_is_off_its_field(retriever: HybridRetriever, question: str) -> None:
    assert not retriever.search(question).supported


def test_passages_are_ranked_and_distinct(retriever: HybridRetriever) -> None:
    passages = retriever.search("lances", k=8).passages
    assert [passage.rank for passage in passages] == list(range(1, len(passages) + 1))
    scores = [passage.score for passage in passages]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len({(passage.document_id, passage.text) for passage in passages}) == len(passages)


def test_filters_keep_to_the_marketplace(retriever: HybridRetriever) -> None:
    found = retriever.search("como funcionam os lances", filters=Filters(marketplace="amazon"))
    assert found.passages
    assert all({"amazon", "geral"} & set(passage.marketplaces) for passage in found.passages)
    with pytest.raises(InputError, match="marketplace"):
        retriever.search("lances", filters=Filters(marketplace="inexistente"))


def test_an_empty_question_is_refused(retriever: HybridRetriever) -> None:
    with pytest.raises(InputError):
        retriever.search("  \x00 ")


def test_lexical_results_serve_without_vectors(retriever: HybridRetriever) -> None:
    early = HybridRetriever(
        catalog=retriever.catalog, embeddings=retriever.embeddings, embedding_model=retriever.embedding_model
    )
    found = early.search("como crio uma campanha de Product Ads?")
    assert found.mode == "lexical"
    assert found.passages


def test_a_second_opener_searches_exactly_and_agrees(retriever: HybridRetriever, tmp_path: Path) -> None:
    catalog, model = retriever.catalog, retriever.embedding_model
    first = open_vectors(tmp_path / "chroma", catalog, model)
    second = open_vectors(tmp_path / "chroma", catalog, model)
    assert isinstance(first, ChromaVectors)
    assert isinstance(second, ExactVectors)
    vector = retriever.embeddings.embed_query("lances na Amazon")
    assert [id_ for id_, _ in first.query(vector, 5, Filters())] == [
        id_ for id_, _ in second.query(vector, 5, Filters())
    ]
    first.close()


def test_it_is_a_langchain_retriever(retriever: HybridRetriever) -> None:
    documents = retriever.invoke("o que é buy box?")
    assert documents
    assert documents[0].metadata["document_id"]
