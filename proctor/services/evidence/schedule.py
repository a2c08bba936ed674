"""What is kept, where, for how long and why: made from the running configuration and the tenant's exams.

Nothing here is a promise of a page: each row says what the code deletes and when, or that it does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from proctor.domain.ids import TenantId
from proctor.ports import EvidenceEnds
from proctor.services.evidence.telling import SPOOLED_AT_MOST
from proctor.services.evidence.uploads import GIVE_UP_AFTER


@dataclass(frozen=True, slots=True)
class Places:
    """Where the running configuration puts things, in plain words and without credentials.

    Attributes:
        database: Records of exams, sessions, incidents, verdicts, the audit log.
        faces: Sealed templates.
        recordings: Observations.
        evidence: Pictures and clips.
        spool: Where evidence waits for its store.
    """

    database: str
    faces: str
    recordings: str
    evidence: str
    spool: str = "a folder of each session host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One kind of thing that is kept.

    Attributes:
        what: For people.
        where: Which store.
        how_long: When it ends.
        why: What it is for.
        ended_by: What deletes it.
    """

    what: str
    where: str
    how_long: str
    why: str
    ended_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The retention schedule of one tenant.

    Attributes:
        kept: Everything that is kept.
        exams: Days after a session's end -> how many exams say so.
    """

    kept: tuple[Kept, ...]
    exams: Mapping[int, int]


class RetentionSchedule:
    """Makes the schedule."""

    def __init__(self, ends: EvidenceEnds, places: Places) -> None:
        self._ends = ends
        self._places = places

    async def of(self, tenant_id: TenantId) -> Schedule:
        """As it stands now."""
        exams = await self._ends.retention(tenant_id)
        return Schedule(kept=tuple(_kept(self._places, exams)), exams=exams)


def place_of(url: str) -> str:
    """A store in plain words: neither paths nor credentials of the server."""
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    kinds = {
        "sqlite": "SQLite on the server",
        "postgresql": "PostgreSQL",
        "s3": f"S3, bucket {parts.hostname}",
        "gs": f"Google Cloud Storage, bucket {parts.hostname}",
        "az": f"Azure, container {parts.hostname}",
    }
    return kinds.get(scheme, "a folder on the server")


def _kept(places: Places, exams: Mapping[int, int]) -> list[Kept]:
    days = ", ".join(map(str, sorted(exams))) or "as many as each exam says"
    after = f"until {days} days after the session's end, by exam"
    give_up, at_most = GIVE_UP_AFTER.days, SPOOLED_AT_MOST.days
    return [
        Kept(
            what="pictures and clips that show an incident, sealed under a key of the candidate",
            where=places.evidence,
            how_long=after,
            why="a person must see what was judged before deciding anything",
            ended_by="the retainer, every quarter of an hour; erasure of the candidate",
        ),
        Kept(
            what="the same, sealed, while the store cannot be reached",
            where=places.spool,
            how_long=f"until stored; {give_up} days at most, told as lost after {at_most}",
            why="an outage of the store must not lose evidence",
            ended_by="the keeper of the host",
        ),
        Kept(
            what="observations of a session (numbers, no pictures and no sound)",
            where=places.recordings,
            how_long=after,
            why="every alert can be explained and judged again",
            ended_by="the retainer",
        ),
        Kept(
            what="templates of enrolled faces, sealed",
            where=places.faces,
            how_long="until consent is withdrawn or the template is erased; nothing ends it by time",
            why="who sits the exam is compared with who enrolled",
            ended_by="withdrawal of consent; DELETE of the enrolments",
        ),
        Kept(
            what="profiles of voices",
            where="the memory of the session host",
            how_long="until the session ends",
            why="whether another person speaks",
            ended_by="the end of the session",
        ),
        Kept(
            what="exams, candidates, consents, sessions, incidents, alerts and verdicts",
            where=places.database,
            how_long="nothing ends them by time",
            why="decisions can be disputed",
            ended_by="the operator",
        ),
        Kept(
            what="the audit log: who saw, said or changed what, and why",
            where=places.database,
            how_long="nothing ends it by time",
            why="misuse shows; a chain of digests shows what was cut out",
            ended_by="the operator",
        ),
    ]
