"""Intents as a step of the flow: takes facts, follows every wish, and says what is to be stored, told and switched."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from cloud_stream.errors import StoreUnavailableError
from cloud_stream.intents.accounts import Desk, account
from cloud_stream.intents.ledger import KEPT_MS, Ledger, Subject
from cloud_stream.intents.limits import look_at_limit
from cloud_stream.intents.loads import LoadKey, Loads
from cloud_stream.intents.moves import look_at_shift
from cloud_stream.intents.orders import look_after, orders
from cloud_stream.intents.periods import local_date, period_at
from cloud_stream.intents.ports import Correlation, Correlations, Edition, History, IntentsSource
from cloud_stream.intents.reading import LATEST, forecast_of, not_ahead, read_usage
from cloud_stream.intents.scene import Scene, Want
from cloud_stream.intents.settings import IntentSettings
from cloud_stream.intents.tracks import Case, Track, advise, tell, trouble, wants_advice, wrong_file_notice
from cloud_stream.intents.wishes import AnyWish, Budget, PowerLimit, Reduction, Shift
from cloud_stream.measurements import FORECAST, USAGE
from cloud_stream.records import Notice, Order, Point, PointColumns
from cloud_stream.sites import Site, Sites

Facts = Sequence[Point]
Decision = Point | Notice | Order
Decisions = tuple[Decision, ...]
CaseKey = tuple[str, Subject]
MAX_CACHED: Final = 50_000
RETRY_MS: Final = 30_000
SET_BACK_MS: Final = 300_000
"""Clocks are put right by less without anybody noticing."""
SILENT_MS: Final = 7 * 86_400_000
"""A subject without readings for so long makes room for another."""


def no_correlations(site: str) -> Sequence[Correlation]:
    """For clouds that look for none."""
    del site
    return ()


class IntentStep:
    """Follows the wishes about the subjects of one shard, or about the fleet.

    Args:
        source: The intents in force, asked at every call; a new edition holds from then on.
        sites: Time zones, currencies, tariffs.
        commands_enabled: Whether orders are given; without, there are only recommendations.
        correlations: The newest results of a site.
        history: The stored past. Without one a period is known from the first reading on, and nothing is compared
            with the weeks before.
        settings: Lengths and bounds.

    Attributes:
        counts: `accounts`, `decisions`, `orders`, `notices`, `subjects_refused`, `subjects_forgotten`,
            `loads_refused`, `too_late`, `history_unavailable`, `files_refused`, and answers to orders by their state,
            `answer_done` ...
    """

    def __init__(
        self,
        source: IntentsSource,
        sites: Sites,
        *,
        commands_enabled: bool,
        correlations: Correlations = no_correlations,
        history: History | None = None,
        settings: IntentSettings | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._source = source
        self._sites = sites
        self._commands = commands_enabled
        self._correlations = correlations
        self._history = history
        self._settings = settings or IntentSettings()
        self._edition = Edition(-1, source().book)
        self._wishes: dict[str, AnyWish] = {}
        self._told_problem = ""
        self._ledgers: dict[Subject, Ledger] = {}
        self._wanted: dict[Subject, Ledger | None] = {}
        self._tracks: dict[CaseKey, Track] = {}
        self._loads = Loads()
        self._decided_ms = 0
        self._booked_ms = 0
        self._waiting: deque[CaseKey] = deque()
        self._retry_ms = 0

    @property
    def settled(self) -> bool:
        """Whether nothing waits to be booked."""
        return not self._waiting

    def on_batch(self, batch: list[Facts], now_ms: int) -> list[Decisions]:
        """Take facts, and decide what is due."""
        told = list(self._reload(now_ms))
        for facts in batch:
            if isinstance(facts, PointColumns):
                self._take_columns(facts, now_ms)
                continue
            for point in facts:
                told += self._take(point, now_ms)
        return self._out(told + self._due(now_ms))

    def on_timer(self, now_ms: int) -> list[Decisions]:
        """Decide what is due."""
        return self._out([*self._reload(now_ms), *self._due(now_ms)])

    def snapshot(self, now_ms: int) -> Any:  # noqa: ANN401 (see `Step`)
        """See `Step`; what the store has is not in it where there is a store to ask."""
        del now_ms
        whole = self._history is None
        return {
            "ledgers": [(tuple(subject), one.snapshot(whole=whole)) for subject, one in self._ledgers.items()],
            "tracks": [(name, tuple(subject), one.snapshot()) for (name, subject), one in self._tracks.items()],
            "loads": self._loads.snapshot(),
            "decided_ms": self._decided_ms,
            "booked_ms": 0 if self._waiting else self._booked_ms,
            "told_problem": self._told_problem,
        }

    def restore(self, state: Any) -> None:  # noqa: ANN401 (see `Step`)
        """See `Step`."""
        for subject, ledger in state["ledgers"]:
            self._ledgers[Subject(*subject)] = restored = Ledger(self._settings.utility_ms)
            restored.restore(ledger)
        for name, subject, track in state["tracks"]:
            self._tracks[name, Subject(*subject)] = Track.restored(track)
        self._loads.restore(state["loads"])
        self._decided_ms, self._booked_ms = state["decided_ms"], state["booked_ms"]
        self._told_problem = state["told_problem"]

    # ------------------------------------------------------------ facts

    def _take(self, point: Point, now_ms: int) -> list[Notice]:
        if point.measurement == USAGE:
            self._take_usage(point, now_ms)
        elif point.measurement == FORECAST:
            self._take_forecast(point, now_ms)
        elif point.measurement == "gateway":
            self._loads.hear_gateway(point)
        elif point.measurement == "load":
            if self._loads.hear(not_ahead(point, now_ms), now_ms):
                self._wanted.clear()
        elif point.measurement == "command":
            return self._take_answer(not_ahead(point, now_ms), now_ms)
        return []

    def _take_usage(self, point: Point, now_ms: int) -> None:
        ledger = self._ledger(_subject(point.tags))
        if ledger is not None and not read_usage(ledger, point, self._settings, now_ms):
            self.counts["too_late"] += 1

    def _take_forecast(self, point: Point, now_ms: int) -> None:
        energy_kwh = forecast_of(point)
        ledger = None if energy_kwh is None else self._ledger(_subject(point.tags))
        if ledger is not None and energy_kwh is not None:
            ledger.put_forecast(point.t_ms, energy_kwh, now_ms)

    def _take_columns(self, columns: PointColumns, now_ms: int) -> None:
        """Forecasts of many series, of which few are wished anything of: no points are made of the others."""
        energy_kwh = columns.numbers.get("energy_kwh")
        if columns.measurement != FORECAST or energy_kwh is None:
            return
        for series, tags in enumerate(columns.tags):
            ledger = self._ledger(_subject(tags)) if tags.get("lead") == LATEST else None
            if ledger is not None:
                ledger.put_forecasts(columns.t_ms, energy_kwh[series], now_ms)

    def _take_answer(self, point: Point, now_ms: int) -> list[Notice]:
        key = LoadKey(point.tags.get("site", ""), point.tags.get("gateway", ""), point.tags.get("load", ""))
        load = self._loads.known.get(key)
        intent = load.hold.intent if load and load.hold else ""
        state = self._loads.answer(point)
        if state:
            self.counts[f"answer_{state}"] += 1
        if state != "refused":
            return []
        day = local_date(self._sites.of(key.site).time_zone, now_ms).isoformat()
        text = f"{key.gateway} refused to switch {key.load}: {point.fields.get('reason', '')}"
        return [trouble(intent, key, "refused", text, day, now_ms)]

    def _ledger(self, subject: Subject) -> Ledger | None:
        """The ledger of a subject; None when nobody wishes anything of it."""
        try:
            return self._wanted[subject]
        except KeyError:
            pass
        if len(self._wanted) >= MAX_CACHED:
            self._wanted.clear()
        self._wanted[subject] = found = self._open(subject)
        return found

    def _open(self, subject: Subject) -> Ledger | None:
        wishes = [wish for wish in self._wishes.values() if wish.covers(*subject)]
        if not wishes and not self._shows_loads(subject):
            return None
        ledger = self._ledgers.get(subject)
        if ledger is None:
            if len(self._ledgers) >= self._settings.max_subjects and not self._forget_one():
                self.counts["subjects_refused"] += 1
                return None
            ledger = self._ledgers[subject] = Ledger(self._settings.utility_ms)
        for wish in wishes:
            key = (wish.name, subject)
            if key not in self._tracks:
                self._tracks[key] = Track()
                self._waiting.append(key)
        return ledger

    def _forget_one(self) -> bool:
        """Forget the subject that is silent longest; False when all were heard of lately."""
        newest_ms = {subject: ledger.newest_ms for subject, ledger in self._ledgers.items()}
        silent = min(newest_ms, key=lambda subject: newest_ms[subject])
        if newest_ms[silent] > max(newest_ms.values()) - SILENT_MS:
            return False
        del self._ledgers[silent]
        self._tracks = {key: track for key, track in self._tracks.items() if key[1] != silent}
        self._wanted.pop(silent, None)
        self.counts["subjects_forgotten"] += 1
        return True

    def _shows_loads(self, subject: Subject) -> bool:
        if subject.level == "fleet":
            return False
        of_site = self._loads.of_site(subject.site)
        return any(load.meter == subject.meter for _, load in of_site)

    # ------------------------------------------------------------ the file

    def _reload(self, now_ms: int) -> Iterator[Notice]:
        edition = self._source()
        if edition.number != self._edition.number:
            self._wishes = {wish.name: wish for wish in edition.book.wishes}
            self._tracks = {key: track for key, track in self._tracks.items() if self._still_holds(key)}
            self._wanted.clear()
            for subject in list(self._ledgers):
                if self._ledger(subject) is None:
                    del self._ledgers[subject]
            for track in self._tracks.values():
                track.baseline_day = ""
            self._waiting = deque(self._tracks)
        if edition.problem and edition.problem != self._told_problem:
            self.counts["files_refused"] += 1
            yield wrong_file_notice(edition, now_ms)
        self._edition, self._told_problem = edition, edition.problem

    def _still_holds(self, key: CaseKey) -> bool:
        name, subject = key
        return name in self._wishes and self._wishes[name].covers(*subject)

    # ------------------------------------------------------------ decisions

    def _due(self, now_ms: int) -> list[Decision]:
        settings = self._settings
        told: list[Decision] = []
        booked_ms = (now_ms - settings.account_after_ms) // settings.utility_ms * settings.utility_ms
        if _is_next(booked_ms, self._booked_ms):
            self._booked_ms = booked_ms
            self._waiting = deque(self._tracks)
            for ledger in self._ledgers.values():
                ledger.drop_forecasts(booked_ms)
        if self._waiting and now_ms >= self._retry_ms:
            told += self._book(now_ms)
        decision_ms = now_ms // settings.decide_every_ms * settings.decide_every_ms
        if _is_next(decision_ms, self._decided_ms):
            self._decided_ms = decision_ms
            told += self._steer(now_ms, decision_ms)
        return told

    def _book(self, now_ms: int) -> list[Decision]:
        """Some of the accounts that wait; the rest goes on with the next call."""
        told: list[Decision] = []
        reads = 0
        for _ in range(min(len(self._waiting), self._settings.turn)):
            name, subject = key = self._waiting[0]
            track = self._tracks.get(key)
            if track is not None:
                case = Case(self._wishes[name], subject, track)
                reads += self._reads(case)
                if reads > self._settings.reads:
                    break
                try:
                    told += self._account(case, now_ms)
                except StoreUnavailableError:
                    self.counts["history_unavailable"] += 1
                    self._retry_ms = now_ms + RETRY_MS
                    break
            self._waiting.popleft()
        return told

    def _reads(self, case: Case) -> int:
        """How often the store is asked for one account; at most as often as one call may."""
        if self._history is None or isinstance(case.wish, PowerLimit):
            return 0
        whole = self._ledgers[case.subject].is_whole
        return min(self._settings.reads, (not whole) + 2 * isinstance(case.wish, Reduction))

    def _account(self, case: Case, now_ms: int) -> list[Decision]:
        told: list[Decision] = []
        desk = Desk(self._edition.book, self._settings, self._correlations, self._history)
        ledger, site = self._ledgers[case.subject], self._site(case.subject)
        if not isinstance(case.wish, PowerLimit):
            self._make_whole(case.subject, ledger)
        for as_of_ms in self._ends(case, site):
            found = account(desk, case, site, ledger, as_of_ms)
            if found is None:
                continue
            self.counts["accounts"] += 1
            told += tell(case, found.verdict, now_ms)
            case.track.booked_ms = as_of_ms
            if wants_advice(case.wish, found.verdict):
                told += advise(case, found.verdict, self._day(site, as_of_ms - 1), found.advice, now_ms)
        return told

    def _ends(self, case: Case, site: Site) -> Iterable[int]:
        """Until when to look: to now, and before that to the end of a period that went by unseen."""
        wish, track = case.wish, case.track
        if isinstance(wish, Budget | Reduction) and track.period_ms:
            end_ms = period_at(site.time_zone, wish.per, track.period_ms).end_ms
            if track.booked_ms < end_ms < self._booked_ms:
                return (end_ms, self._booked_ms)
        return (self._booked_ms,)

    def _make_whole(self, subject: Subject, ledger: Ledger) -> None:
        if self._history is not None and not ledger.is_whole:
            ledger.fill(self._history.past(*subject, self._booked_ms - KEPT_MS, self._booked_ms))
            ledger.is_whole = True

    def _steer(self, now_ms: int, decision_ms: int) -> list[Decision]:
        """Limits and moved loads, site by site."""
        cases: dict[str, list[Case]] = {}
        for (name, subject), track in self._tracks.items():
            wish = self._wishes[name]
            if isinstance(wish, PowerLimit) or (isinstance(wish, Shift) and wish.load):
                cases.setdefault(subject.site, []).append(Case(wish, subject, track))
        told: list[Decision] = []
        for site in sorted({*cases, *(key.site for key, load in self._loads.known.items() if load.hold)}):
            self.counts["decisions"] += 1
            told += self._steer_site(site, cases.get(site, []), now_ms, decision_ms)
        return told

    def _steer_site(self, site: str, cases: Sequence[Case], now_ms: int, decision_ms: int) -> list[Decision]:
        loads = self._loads.of_site(site)
        scene = Scene(
            self._sites.of(site), self._edition.book, self._settings, self._ledgers, loads, now_ms, self._commands
        )
        told: list[Decision] = []
        for key, load in loads:
            told += look_after(scene, key, load)
        wants: dict[LoadKey, Want] = {}
        frozen: set[LoadKey] = set()
        for case in cases:
            if isinstance(case.wish, Shift):
                moved = look_at_shift(scene, case, case.wish)
                wants |= moved.wants
                told += tell(case, moved.verdict, now_ms)
        for case in cases:
            if isinstance(case.wish, PowerLimit):
                look = look_at_limit(scene, case, case.wish, wants)
                wants |= {key: want for key, want in look.wants.items() if key not in wants}
                frozen |= look.frozen
                told += tell(case, look.verdict, now_ms)
                if look.verdict.state.badness:
                    told += advise(case, look.verdict, self._day(scene.site, now_ms), look.advice, now_ms)
        if self._commands:
            told += orders(scene, wants, frozen - wants.keys(), decision_ms)
        return told

    def _site(self, subject: Subject) -> Site:
        return self._sites.of(subject.site)

    @staticmethod
    def _day(site: Site, at_ms: int) -> str:
        return local_date(site.time_zone, at_ms).isoformat()

    def _out(self, told: Sequence[Decision]) -> list[Decisions]:
        self.counts["loads_refused"] = self._loads.refused
        for one in told:
            if isinstance(one, Order):
                self.counts["orders"] += 1
            elif isinstance(one, Notice):
                self.counts["notices"] += 1
        return [tuple(told)] if told else []


def _is_next(at_ms: int, last_ms: int) -> bool:
    """Whether it is time again; a clock that was set back far starts anew instead of waiting for as long."""
    return at_ms > last_ms or last_ms - at_ms > SET_BACK_MS


def _subject(tags: Mapping[str, str]) -> Subject:
    return Subject(tags.get("level", ""), tags.get("site", ""), tags.get("meter", ""))
