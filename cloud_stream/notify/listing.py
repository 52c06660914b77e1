"""What fires now, as rows for a person or a program."""

from contextlib import closing
from typing import Any, Final

from cloud_stream.config import StoreConfig
from cloud_stream.config_sections import NotifyConfig
from cloud_stream.measurements import ALERT
from cloud_stream.notify.alert_names import FIRING, AlertName, name_of
from cloud_stream.notify.ledger import Ledger
from cloud_stream.notify.ledger_rows import OpenAlert
from cloud_stream.notify.silences import Silence, silence_of
from cloud_stream.records import Point

LOOK_BACK_MS: Final = 30 * 86_400_000
"""Without a notifier, an alert that began longer ago is not listed."""

AlertRow = dict[str, Any]
"""`id`, `rule`, `level`, `site`, `meter`, `severity`, `state`, `since_ms`, `title`, `value`, `limit`."""


def open_alerts(config: NotifyConfig, now_ms: int) -> list[AlertRow]:
    """What fires, by the notifier; `state` is `firing`, `silenced` or `acknowledged`.

    Raises:
        LogError: The notifier's file cannot be read now.
    """
    with closing(Ledger(config.dir)) as ledger:
        found, silences = ledger.open_alerts(), ledger.silences.all()
    return [_told(one, silence_of(one.notice, silences, now_ms)) for one in found]


def stored_alerts(config: StoreConfig, now_ms: int) -> list[AlertRow]:
    """What fires, by the newest `alert` points: for a cloud without a notifier.

    Raises:
        StoreError: The store does not answer now.
    """
    from cloud_stream.stores import open_store

    with closing(open_store(config)) as store:
        points = store.points(ALERT, {}, now_ms - LOOK_BACK_MS, now_ms + 1)
    newest = {tuple(sorted(point.tags.items())): point for point in points}
    return [_found(point) for point in newest.values() if point.fields.get("state") == FIRING]


def _told(one: OpenAlert, silenced: Silence | None) -> AlertRow:
    notice = one.notice
    state = FIRING if silenced is None else "acknowledged" if silenced.alert else "silenced"
    facts = {"value": notice.value, "limit": notice.limit}
    return _row(name_of(notice), notice.severity, state, notice.since_ms, notice.title) | facts


def _found(point: Point) -> AlertRow:
    tags, fields = point.tags, point.fields
    name = AlertName(*(tags.get(part, "") for part in ("rule", "level", "site", "meter")))
    since = fields.get("since_ms", point.t_ms)
    title = str(fields.get("message", "")) or name.group
    facts = {"value": fields.get("value"), "limit": fields.get("limit")}
    return _row(name, tags.get("severity", ""), FIRING, int(since), title) | facts


def _row(name: AlertName, severity: str, state: str, since_ms: int, title: str) -> AlertRow:
    where = {"rule": name.group, "level": name.level, "site": name.site, "meter": name.meter}
    return (
        {"id": name.id}
        | where
        | {"severity": severity, "state": state, "since_ms": since_ms, "title": name.headline(title)}
    )
