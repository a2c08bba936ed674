"""`AlertArchive`: what the fake and SQL both do."""

from dataclasses import replace

import pytest

from proctor.domain.errors import NotFound
from proctor.domain.ids import AlertId, SessionId
from proctor.fusion.alert_log import alert_log
from tests.contract.conftest import Relational
from tests.contract.samples import ACME, OTHER, alert, judged

WHICH = SessionId("ses_1")


async def test_an_alert_is_found_by_its_name_exactly(furnished: Relational) -> None:
    await furnished.incidents.commit([judged(alert(1), alert(2))])
    assert await furnished.archive.find(alert(2).alert_id) == alert(2)
    with pytest.raises(NotFound):
        await furnished.archive.find(AlertId("alr_none"))


async def test_a_session_s_alerts_come_by_number_suppressed_ones_too(furnished: Relational) -> None:
    quiet = replace(alert(2), suppressed_by="may_speak")
    await furnished.incidents.commit([judged(alert(3))])
    await furnished.incidents.commit([judged(alert(1), quiet)])
    found = await furnished.archive.of_session(ACME, WHICH)
    assert list(found) == [alert(1), quiet, alert(3)]
    assert alert_log(found) == alert_log([alert(1), quiet, alert(3)])
    assert await furnished.archive.of_session(OTHER, WHICH) == []
    assert await furnished.archive.of_session(ACME, SessionId("ses_other")) == []
