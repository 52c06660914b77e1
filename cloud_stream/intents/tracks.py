"""One wish about one subject: how it stands, and what the world was told of it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloud_stream.intents.advice import Advice
from cloud_stream.intents.baseline import Baseline
from cloud_stream.intents.ledger import Subject
from cloud_stream.intents.loads import LoadKey
from cloud_stream.intents.ports import Edition
from cloud_stream.intents.progress import State
from cloud_stream.intents.wishes import AnyWish, Severity, Shift
from cloud_stream.records import Notice, Point

Fields = Mapping[str, float | int | str | bool]
Told = list[Point | Notice]
MAX_ID_LENGTH: Final = 120
MAX_ADVICE: Final = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a wish stands now.

    Attributes:
        t_ms: The record's time: the start of the utility interval it is about.
        period_ms: The start of the period; a new one begins anew.
        text: For a person. value: what is compared. limit: with what. quantity: of both, with its unit in the name.
        fields: Of the record besides.
        tells_when_met: Whether a person wants to hear that all went well.
    """

    state: State
    t_ms: int
    period_ms: int
    text: str
    value: float
    limit: float
    quantity: str
    fields: Fields
    tells_when_met: bool = False


@dataclass(slots=True)
class Track:
    """What is remembered of one wish about one subject.

    Attributes:
        state: As of the newest verdict. told: what a person knows; never `unknown`. since_ms: since when it is so.
        turns: How often a person's knowledge has changed.
        calm_ms: Since when a better state than `told` is seen; 0 when it is not.
        period_ms: Of the newest verdict. booked_ms: until when intervals are booked.
        advised: The local day of the newest advice. advised_badness: how bad things were then.
        baseline: Of a reduction, made on `baseline_day`.
    """

    state: State = State.UNKNOWN
    told: State = State.ON_TRACK
    since_ms: int = 0
    turns: int = 0
    calm_ms: int = 0
    period_ms: int = 0
    booked_ms: int = 0
    advised: str = ""
    advised_badness: int = 0
    baseline: Baseline | None = None
    baseline_day: str = ""

    def snapshot(self) -> dict[str, Any]:
        """Plain values to go on from."""
        values = {name: getattr(self, name) for name in self.__slots__}
        baseline = tuple(self.baseline) if self.baseline else None
        return values | {"state": self.state.value, "told": self.told.value, "baseline": baseline}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Track":
        """Take a snapshot back."""
        baseline = Baseline(*state["baseline"]) if state["baseline"] else None
        known = {"state": State(state["state"]), "told": State(state["told"]), "baseline": baseline}
        return cls(**(state | known))


@dataclass(frozen=True, slots=True)
class Case:
    """One wish about one subject, and what is remembered of it."""

    wish: AnyWish
    subject: Subject
    track: Track


def tell(case: Case, verdict: Verdict, now_ms: int) -> Told:
    """Record a verdict; a person hears of it once, when it is another one than what was told last."""
    track = case.track
    track.state, track.period_ms = verdict.state, verdict.period_ms
    told: Told = [_record(case, verdict)]
    if verdict.state in {State.UNKNOWN, track.told}:
        return told
    kind = _kind(track.told, verdict)
    track.told, track.since_ms, track.turns = verdict.state, verdict.t_ms, track.turns + 1
    if kind:
        told.append(_notice(case, verdict, kind, now_ms))
    return told


def advise(case: Case, verdict: Verdict, day: str, found: Iterable[Advice], now_ms: int) -> Told:
    """Recommend, at most once a day unless things get worse."""
    track = case.track
    badness = verdict.state.badness
    if track.advised == day and badness <= track.advised_badness:
        return []
    best = sorted(found, key=_worth, reverse=True)[:MAX_ADVICE]
    if not best:
        return []
    track.advised, track.advised_badness = day, badness
    points: Told = [_recommendation(case, verdict, one) for one in best]
    text = " ".join(one.text for one in best)
    key = _key("advice", case, day, str(badness))
    title = f"{case.wish.name}: what would help {_who(case.subject)}"
    return [*points, _advice_notice(case, verdict, key, title, text, now_ms)]


def stable_id(*parts: str) -> str:
    """The same text for the same parts for ever, short enough for the wire."""
    text = "/".join(("intent", *parts))
    if len(text) <= MAX_ID_LENGTH:
        return text
    return f"intent/{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def _worth(one: Advice) -> tuple[float, float, float, str]:
    return (one.saving_money_per_day, one.saving_kwh_per_day, one.shifted_kwh_per_day, one.kind)


def trouble(wish_name: str, key: LoadKey, what: str, text: str, day: str, now_ms: int) -> Notice:
    """A person shall look after a load: once a day for the same load and trouble."""
    return Notice(
        key=stable_id("load", *key, what, day),
        group=f"intent {wish_name}" if wish_name else "loads",
        state="info",
        severity="warning",
        happened_ms=now_ms,
        decided_ms=now_ms,
        since_ms=now_ms,
        level="site",
        site=key.site,
        meter="",
        title=f"{key.load} of {key.site}: {what}",
        text=text,
    )


def _kind(told: State, verdict: Verdict) -> str:
    """The kind of notice that a change deserves; "" for none."""
    if verdict.state.badness:
        return "firing"
    if told.badness:
        return "resolved"
    return "info" if verdict.state is State.MET and verdict.tells_when_met else ""


def _record(case: Case, verdict: Verdict) -> Point:
    fields = {"state": verdict.state.value, "text": verdict.text, "quantity": verdict.quantity, **verdict.fields}
    tags = {"intent": case.wish.name, "site": case.subject.site, "meter": case.subject.meter}
    return Point("intent", tags, verdict.t_ms, _finite(fields))


def _recommendation(case: Case, verdict: Verdict, one: Advice) -> Point:
    subject = case.subject
    tags = {"intent": case.wish.name, "site": subject.site, "meter": subject.meter, "advice": one.kind}
    fields: dict[str, float | int | str | bool] = {
        "text": one.text,
        "assumption": one.assumption,
        "saving_kwh_per_day": one.saving_kwh_per_day,
        "saving_money_per_day": one.saving_money_per_day,
        "shifted_kwh_per_day": one.shifted_kwh_per_day,
        "currency": one.currency,
    }
    return Point("recommendation", tags, verdict.t_ms, _finite(fields))


def _finite(fields: Fields) -> dict[str, float | int | str | bool]:
    return {name: value for name, value in fields.items() if not isinstance(value, float) or value - value == 0}


def _notice(case: Case, verdict: Verdict, kind: str, now_ms: int) -> Notice:
    wish, subject = case.wish, case.subject
    words = {State.AT_RISK: "at risk", State.BROKEN: "not kept", State.ON_TRACK: "on track again", State.MET: "kept"}
    return Notice(
        key=_key("state", case, verdict.state.value, str(verdict.period_ms), str(case.track.turns)),
        group=f"intent {wish.name}",
        state=kind,
        severity=wish.severity.value if verdict.state.badness else Severity.INFO.value,
        happened_ms=verdict.t_ms,
        decided_ms=now_ms,
        since_ms=case.track.since_ms,
        level=subject.level,
        site=subject.site,
        meter=subject.meter,
        title=f"{wish.name}: {words[verdict.state]} ({_who(subject)})",
        text=verdict.text,
        quantity=verdict.quantity,
        value=verdict.value if verdict.value - verdict.value == 0 else None,
        limit=verdict.limit if verdict.limit - verdict.limit == 0 else None,
    )


def _advice_notice(case: Case, verdict: Verdict, key: str, title: str, text: str, now_ms: int) -> Notice:
    subject = case.subject
    return Notice(
        key=key,
        group=f"intent {case.wish.name}",
        state="info",
        severity=Severity.INFO.value,
        happened_ms=verdict.t_ms,
        decided_ms=now_ms,
        since_ms=verdict.t_ms,
        level=subject.level,
        site=subject.site,
        meter=subject.meter,
        title=title,
        text=text,
    )


def _key(what: str, case: Case, *rest: str) -> str:
    return stable_id(what, case.wish.name, case.subject.site, case.subject.meter, *rest)


def _who(subject: Subject) -> str:
    if subject.level == "fleet":
        return "the fleet"
    return f"meter {subject.meter} of {subject.site}" if subject.meter else subject.site


def wrong_file_notice(edition: Edition, now_ms: int) -> Notice:
    """What is told of a file that could not be read."""
    return Notice(
        key=stable_id("file", str(edition.number), edition.problem),
        group="intents file",
        state="info",
        severity="warning",
        happened_ms=now_ms,
        decided_ms=now_ms,
        since_ms=now_ms,
        level="fleet",
        site="",
        meter="",
        title="The intents file is wrong; the intents before it stay in force",
        text=edition.problem,
    )


def wants_advice(wish: AnyWish, verdict: Verdict) -> bool:
    """When things look bad; what moving would save is worth knowing at any time."""
    return verdict.state.badness > 0 or isinstance(wish, Shift)
