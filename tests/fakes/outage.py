"""A switch that every fake store has: `down = True` and it is unreachable."""

from proctor.domain.errors import StateStoreUnavailable


class Outage:
    """Base of the fakes. While `down`, every call raises `StateStoreUnavailable`."""

    def __init__(self) -> None:
        self.down = False

    def _reach(self) -> None:
        if self.down:
            raise StateStoreUnavailable("the fake store was told to be down")
