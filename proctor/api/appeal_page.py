"""The appeal bundle as one page to print: no script, nothing from elsewhere, every word escaped."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from proctor.api.appeal_views import AppealView

_FOLDER = Path(__file__).parent / "templates"
_STYLE = (_FOLDER / "appeal.css").read_text(encoding="utf-8")
_STYLE_SHA256 = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Mapping[str, str] = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_SHA256}'; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'none'"
    ),
}


def _clock(ms: int | None) -> str:
    """Session time as 1:02:03.4; what lasts has none."""
    if ms is None:
        return "its end is not known"
    seconds, tenths = divmod(ms // 100, 10)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}.{tenths}"


def _moment(at: datetime | None) -> str:
    return "-" if at is None else at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _number(value: float) -> str:
    return f"{value:g}"


_PAGES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters.update(clock=_clock, moment=_moment, percent=_percent, number=_number)


def appeal_page(appeal: AppealView) -> str:
    """HTML of a bundle."""
    return _PAGES.get_template("appeal.html").render(appeal=appeal, style=_STYLE)
