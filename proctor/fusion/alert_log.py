"""The alert log of a session as bytes: the same for the same judgement, whoever made it and when.

It leaves out what judging does not decide: the wall time (`raised_at`) and whether the database was
there (`unsynced`). Deliveries are no part of an alert.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import cache

from pydantic import TypeAdapter

from proctor.domain.alerts import Alert

NOT_JUDGED = frozenset({"raised_at", "unsynced"})


@cache
def _alerts() -> TypeAdapter[Alert]:
    return TypeAdapter(Alert)


def line_of(alert: Alert) -> bytes:
    """One alert as JSON: names sorted, no spaces, UTF-8."""
    fields = _alerts().dump_python(alert, mode="json", exclude=set(NOT_JUDGED))
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def alert_log(alerts: Iterable[Alert]) -> bytes:
    """A line per alert, by seq; empty when there is none."""
    return b"".join(line_of(alert) + b"\n" for alert in sorted(alerts, key=lambda alert: alert.seq))


def alert_log_sha256(alerts: Iterable[Alert]) -> str:
    """The sha256 of the log, in hex: `sha256sum` of `proctor replay SESSION --log` gives the same."""
    return hashlib.sha256(alert_log(alerts)).hexdigest()
