"""Windows as a live platform would fill them, and what may go wrong in them.

Few users ask most of the questions, more in one week and less in another; times are lognormal; with ``alike``
> 0 a user keeps to a few topics, has a speed, a length and a mood of their own. Seven days now, twenty-eight
before.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from melancia.mlops.drift.frame import Window, typed

Numbers = NDArray[np.float64]
Drift = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]

END = datetime(2026, 11, 30, tzinfo=UTC)
DAYS, REFERENCE_DAYS = 7, 28
TOPICS = {0: "campanhas", 1: "lances", 2: "relatórios", 3: "catálogo", 4: "frete", 5: "orçamento", 6: "vídeo"}
NEW_TOPIC = 99
_POPULAR = np.array([0.28, 0.2, 0.16, 0.13, 0.1, 0.08, 0.05])
_DOCUMENTS = 40
_DIMENSIONS = 64
_SAMPLE = 2000
_BURST = 0.8  # spread of the logarithm of what a user asks in a week


@dataclass(frozen=True, slots=True)
class World:
    """``rows`` of the current window, four times as many before, of ``users``; ``alike``: 0 to 1."""

    rows: int
    users: int
    alike: float = 0.0
    arms: tuple[str, ...] = ("A", "B")


def windows(world: World, rng: np.random.Generator, drift: Drift | None = None) -> tuple[Window, Window]:
    """The current window, with ``drift`` in it, and the reference."""
    people = _People.of(world, rng)
    now = people.rows(world.rows, DAYS, END, rng)
    then = people.rows(4 * world.rows, REFERENCE_DAYS, END - timedelta(days=DAYS), rng)
    if drift is not None:
        now = drift(now, rng)
    return people.window(now, DAYS, END, rng), people.window(
        then, REFERENCE_DAYS, END - timedelta(days=DAYS), rng
    )


@dataclass(frozen=True, slots=True)
class _People:
    """What each user is like; ``centres``: where each topic's questions lie."""

    world: World
    activity: Numbers
    topics: Numbers
    length: Numbers
    speed: Numbers
    mood: Numbers
    foreign: Numbers
    place: Numbers
    centres: Numbers

    @classmethod
    def of(cls, world: World, rng: np.random.Generator) -> "_People":
        count, alike = world.users, world.alike
        activity = rng.lognormal(0, 1, count)
        concentration = (1 / max(alike, 1e-3) - 1) * 4 + 0.3
        topics = rng.dirichlet(_POPULAR * concentration * len(_POPULAR), count)
        return cls(
            world,
            activity / activity.sum(),
            topics if alike else np.tile(_POPULAR, (count, 1)),
            rng.normal(0, 0.5 * alike, count),
            rng.normal(0, 0.4 * alike, count),
            rng.normal(0, 1.5 * alike, count),
            rng.beta(0.02 * 10, 0.98 * 10, count) if alike else np.full(count, 0.02),
            rng.normal(0, 0.3 * alike, (count, _DIMENSIONS)),
            rng.normal(0, 1, (len(_POPULAR), _DIMENSIONS)),
        )

    def rows(self, count: int, days: int, until: datetime, rng: np.random.Generator) -> pd.DataFrame:
        """``count`` interactions of the ``days`` before ``until``."""
        before = np.sort(rng.random(count))[::-1] * days
        user = np.empty(count, dtype=np.int64)
        for week in range(days // 7):  # whoever is busy with something asks more in that week
            mine = (before // 7).astype(int) == week
            busy = self.activity * rng.lognormal(0, _BURST, self.world.users)
            user[mine] = rng.choice(self.world.users, int(mine.sum()), p=busy / busy.sum())
        topic = (
            (rng.random((count, 1)) > self.topics[user].cumsum(axis=1))
            .sum(axis=1)
            .clip(max=len(_POPULAR) - 1)
        )
        spoken = np.where(rng.random(count) < self.foreign[user], "en", "pt")
        score = np.clip(rng.normal(0.72 - 0.02 * topic, 0.08), 0, 1)
        out = rng.random(count) < 0.03
        unanswered = out | (rng.random(count) < 0.04)
        cached = (rng.random(count) < 0.15) & ~unanswered
        failed = (rng.random(count) < 0.01) & ~unanswered & ~cached
        said = ~(unanswered | failed)
        own = said & ~cached
        arm = np.array(self.world.arms)[user % len(self.world.arms)]
        slow = np.where(user % len(self.world.arms) == 1, 0.2, 0.0)
        length = rng.lognormal(6.2 + 0.3 * self.length[user] - 0.03 * topic, 0.45)
        latency = rng.lognormal(0.9 + slow + self.speed[user], 0.55)
        rated = (rng.random(count) < 1 / (1 + np.exp(2.2 - 0.5 * self.mood[user]))) & said
        down = rng.random(count) < 1 / (1 + np.exp(1.4 + self.mood[user]))
        values = {
            "id": [f"i{days}-{number}" for number in range(count)],
            "created_at": until - pd.to_timedelta(before, unit="D"),
            "user": np.char.add("u", user.astype(str)),
            "arm": arm,
            "model": np.where(own, np.where(arm == "A", "ollama:llama3.1:8b", "openai:gpt-4o-mini"), ""),
            "question": [f"Como funciona {TOPICS[int(number)]}?" for number in topic],
            "question_length": np.round(rng.lognormal(4 + self.length[user] + 0.05 * topic, 0.5)),
            "question_language": spoken,
            "topic": topic,
            "top_score": score,
            "unanswered": unanswered,
            "out_of_scope": out,
            "answer_length": np.where(said, np.round(length), np.nan),
            "answer_language": np.where(said, np.where(rng.random(count) < 0.005, "es", spoken), ""),
            "groundedness": np.where(own, np.clip(rng.normal(0.75 + 0.01 * topic, 0.12), 0, 1), np.nan),
            "citation_valid": np.where(own, rng.random(count) < 0.96, np.nan),
            "refused": unanswered | (own & (rng.random(count) < 0.02)),
            "latency": np.where(own, latency, np.nan),
            "time_to_first_token": np.where(own, latency * rng.uniform(0.1, 0.3, count), np.nan),
            "tokens": np.where(own, np.round(900 + length / 4 + rng.normal(0, 120, count)), np.nan),
            "cost": np.where(own, (900 + length / 2) * 1e-6, np.nan),
            "failed": failed,
            "fell_back": own & (rng.random(count) < 0.02),
            "cached": cached,
            "rated": rated,
            "thumb": np.where(rated, np.where(down, -1.0, 1.0), np.nan),
        }
        return typed(values)

    def window(self, frame: pd.DataFrame, days: int, until: datetime, rng: np.random.Generator) -> Window:
        """The frame with what was retrieved and the vectors of a sample."""
        sampled = np.sort(rng.permutation(len(frame))[:_SAMPLE])
        topic = frame["topic"].to_numpy()
        user = frame["user"].str[1:].astype(int).to_numpy()
        centres = np.vstack([self.centres, np.ones((1, _DIMENSIONS)) * 1.2])
        where = np.where(topic == NEW_TOPIC, len(_POPULAR), topic)[sampled]
        vectors = centres[where] + self.place[user[sampled]] + rng.normal(0, 0.8, (len(sampled), _DIMENSIONS))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        found = frame["top_score"].notna().to_numpy()
        broken = frame.attrs.get("broken", False)
        documents = np.where(
            rng.random(len(frame)) < (0.6 if broken else 0.0),
            0,
            topic * 5 % _DOCUMENTS + rng.integers(0, 5, len(frame)),
        )
        counts = np.bincount(documents[found], minlength=_DOCUMENTS)
        return Window(
            "store",
            until - timedelta(days=days),
            until,
            frame,
            sampled,
            vectors.astype(np.float32),
            len(frame),
            {f"doc-{number}": int(count) for number, count in enumerate(counts) if count},
            tuple(f"doc-{number}" for number in range(_DOCUMENTS)),
        )


def new_topic(share: float) -> Drift:
    """A topic that was not there: ``share`` of the questions, of all users, poorly covered by the base."""

    def drift(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        mine = rng.random(len(frame)) < share
        return frame.assign(topic=np.where(mine, NEW_TOPIC, frame["topic"]))

    return drift


def language(share: float) -> Drift:
    """``share`` of the questions are in Spanish."""

    def drift(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        mine = rng.random(len(frame)) < share
        return frame.assign(question_language=frame["question_language"].where(~mine, "es"))

    return drift


def foreigners(share: float) -> Drift:
    """``share`` of the users ask in Spanish, all that they ask."""

    def drift(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        users = frame["user"].unique()
        mine = frame["user"].isin(users[rng.random(len(users)) < share])
        return frame.assign(question_language=frame["question_language"].where(~mine, "es"))

    return drift


def replaced(model: str, factor: float) -> Drift:
    """``model`` answers ``factor`` times as long under the same name; tokens and times follow."""

    def drift(frame: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
        mine = frame["model"] == model
        length = frame["answer_length"]
        return frame.assign(
            answer_length=length.where(~mine, length * factor),
            tokens=frame["tokens"].where(~mine, frame["tokens"] + length * (factor - 1) / 4),
            latency=frame["latency"].where(~mine, frame["latency"] * (1 + (factor - 1) / 2)),
        )

    return drift


def slower(share: float) -> Drift:
    """All answers take ``share`` longer."""

    def drift(frame: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
        return frame.assign(
            latency=frame["latency"] * (1 + share),
            time_to_first_token=frame["time_to_first_token"] * (1 + share),
        )

    return drift


def broken_retrieval(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Passages of another subject: scores fall by a tenth, one document answers most, support is lost."""
    found = frame.assign(
        top_score=(frame["top_score"] - 0.1).clip(0, 1),
        groundedness=(frame["groundedness"] - 0.1).clip(0, 1),
        unanswered=frame["unanswered"] | (rng.random(len(frame)) < 0.1),
    )
    found.attrs["broken"] = True
    return found


def at_random(window: Window, rows: int, rng: np.random.Generator) -> Window:
    """A sample of ``rows`` of the window, without vectors."""
    kept = np.sort(rng.permutation(len(window))[:rows])
    frame = window.frame.iloc[kept].reset_index(drop=True)
    return replace(window, frame=frame, sampled=kept[:0], vectors=window.vectors[:0])
