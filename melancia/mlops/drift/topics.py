"""What people ask about: groups of questions, found once and recognised ever after.

A question belongs to the known topic whose centroid is nearest, if near enough. Only those that are near
none are grouped anew (average linkage on cosines), and a group that is large enough becomes a topic with an
id of its own. Vectors are compared after the centre of the first questions ever looked at was taken from
them: those of one language model all lie in one direction, and differ by what is left. The centre is kept as
the centroid of the topic of everything else, ``REST``.

Chosen on the 860 questions of data/, halved at random: at equal coverage, average linkage found purer groups
than HDBSCAN (which leaves most questions out) and k-means, and how often a question is asked changes nothing;
see docs/saude.md.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from melancia.mlops.drift.frame import Window
from melancia.mlops.drift.labels import labels
from melancia.store import Store
from melancia.store.topics import Topic

REST = "Outros assuntos"
SPREAD = 0.8  # mean cosine distance of two groups from which on they are not merged
# Cosine to a centroid from which on a question is its topic's. One in a hundred questions from outside the
# field has it with some topic; with more, too few of the questions that a topic was not made of would have.
NEAR = 0.35
# Questions of a new topic: a smaller one fits those that it was made of, and few of those that come later.
_FEWEST = 8
_SHARE = 0.01  # of all questions, at least
_ENOUGH = 50  # questions that a first centre is taken from
_ROUNDS = 5

Vectors = NDArray[np.float64]


def assign_topics(
    store: Store, reference: Window, current: Window, embedding_model: str
) -> tuple[Window, Window, tuple[Topic, ...]]:
    """Both windows with the topics of their sampled questions, and all topics, that of the rest first.

    New topics are kept in the store. The same windows again make no new ones. Without enough questions for a
    first look nothing is assigned, and there are no topics. Raises StoreError.
    """
    windows = (reference, current)
    vectors = np.concatenate([window.vectors for window in windows if len(window.sampled)] or [_none()])
    texts = [str(text) for w in windows for text in w.frame["question"].to_numpy()[w.sampled]]
    known = list(store.topics.of(embedding_model))
    if not any(topic.label == REST for topic in known):
        if len(vectors) < _ENOUGH:
            return reference, current, ()
        known = [*store.topics.add(embedding_model, [(REST, vectors.mean(axis=0).tolist(), 0)]), *known]
    known.sort(key=lambda topic: topic.label != REST)
    points = unit(vectors - np.asarray(known[0].centroid))
    least = max(_FEWEST, round(_SHARE * len(points)))
    places = nearest(points, known)
    for _ in range(_ROUNDS):  # what is left once a group is gone may hold another
        found = _new(points, places, least)
        if not found:
            break
        known += store.topics.add(embedding_model, _named(found, texts, known))
        places = nearest(points, known)
    ids = np.array([topic.id for topic in known], np.int64)[places]
    sizes = dict(zip(*np.unique(ids, return_counts=True), strict=True))
    present = {topic.id: int(sizes.get(topic.id, 0)) for topic in known}
    store.topics.resize(present)
    split = len(reference.sampled)
    return (
        _with(reference, ids[:split]),
        _with(current, ids[split:]),
        tuple(replace(topic, size=present[topic.id]) for topic in known),
    )


def nearest(points: Vectors, topics: Sequence[Topic]) -> NDArray[np.int64]:
    """Place in ``topics`` of each point's topic; 0, that of the rest, for a point that is near none."""
    if len(topics) < 2 or not len(points):
        return np.zeros(len(points), np.int64)
    cosines = points @ np.array([topic.centroid for topic in topics[1:]]).T
    return np.where(cosines.max(axis=1) >= NEAR, cosines.argmax(axis=1) + 1, 0)


def groups(points: Vectors) -> NDArray[np.int64]:
    """A number for each point, equal for those that belong together."""
    if len(points) < 2:
        return np.zeros(len(points), np.int64)
    from sklearn.cluster import AgglomerativeClustering

    # Asked a hundred times it is one question still: it must not draw the others to it.
    once, where = np.unique(points.round(6), axis=0, return_inverse=True)
    if len(once) < 2:
        return np.zeros(len(points), np.int64)
    model = AgglomerativeClustering(None, distance_threshold=SPREAD, metric="cosine", linkage="average")
    return np.asarray(model.fit_predict(once), np.int64)[where.reshape(-1)]


def unit(vectors: Vectors) -> Vectors:
    """Each vector at length 1."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), np.float64)


def _new(points: Vectors, places: NDArray[np.int64], least: int) -> list[tuple[Vectors, NDArray[np.int64]]]:
    """Centroid and members (positions) of each group of the rest that is large enough, the largest first."""
    left = np.flatnonzero(places == 0)
    if len(left) < least:
        return []
    numbers = groups(points[left])
    found = []
    for number in np.flatnonzero(np.bincount(numbers) >= least):
        members = left[numbers == number]
        centroid = unit(points[members].mean(axis=0))
        # Those that it would not recognise again do not make it a topic.
        members = members[points[members] @ centroid >= NEAR]
        if len(members) >= least:
            found.append((centroid, members))
    return sorted(found, key=lambda item: (-len(item[1]), int(item[1][0])))


def _named(
    found: Sequence[tuple[Vectors, NDArray[np.int64]]], texts: Sequence[str], known: Sequence[Topic]
) -> list[tuple[str, list[float], int]]:
    grouped = {place for _, members in found for place in members.tolist()}
    others = [text for place, text in enumerate(texts) if place not in grouped]
    named = labels(
        [[texts[place] for place in members] for _, members in found],
        others,
        [topic.label for topic in known],
    )
    return [
        (label, centroid.tolist(), len(members))
        for label, (centroid, members) in zip(named, found, strict=True)
    ]


def _with(window: Window, ids: NDArray[np.int64]) -> Window:
    column = np.full(len(window.frame), -1, np.int64)
    column[window.sampled] = ids
    return replace(window, frame=window.frame.assign(topic=column))


def _none() -> NDArray[np.float32]:
    return np.zeros((0, 0), np.float32)
