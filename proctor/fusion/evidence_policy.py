"""What a policy keeps to show an incident: nothing that it does not name."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from proctor.sensing.strict import Strict


class EvidencePolicy(Strict):
    """What is kept to show an incident whose news is delivered; nothing unless the policy says so.

    Attributes:
        pictures: The very pictures that were judged, and some from before and after.
        clip: The received video of that time, as it came.
        sound: The received sound with it.
        before_ms: From how long before the behaviour began.
        after_ms: Until how long after it was told.
    """

    pictures: bool = False
    clip: bool = False
    sound: bool = False
    before_ms: Annotated[int, Field(ge=0, le=30_000)] = 5_000
    after_ms: Annotated[int, Field(ge=0, le=30_000)] = 5_000

    @model_validator(mode="after")
    def _each_rests_on_the_one_before(self) -> Self:
        if self.clip and not self.pictures:
            raise ValueError("clip needs pictures: what was judged is kept first")
        if self.sound and not self.clip:
            raise ValueError("sound needs clip: it is kept with the video alone")
        return self
