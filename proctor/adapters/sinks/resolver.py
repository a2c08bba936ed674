"""Names to addresses by the system's resolver, in a thread that belongs to one sink alone.

`getaddrinfo` cannot be interrupted: a name server that does not answer holds its thread for half a
minute. Shared threads would let one tenant's slow names hold up everybody's.
"""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor


class SystemResolver:
    """One thread, made at the first name and ended by `close`."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="resolve")
        self._is_busy = False

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Every address of the name, as text; none when it is not known.

        Raises `OSError` when the look-up before this one has not come back yet.
        """
        if self._is_busy:
            raise TimeoutError("the last look-up has not come back")
        self._is_busy = True
        answer = self._thread.submit(_look_up, host, port)
        answer.add_done_callback(lambda _: self._rest())
        return await asyncio.wrap_future(answer)

    def _rest(self) -> None:
        self._is_busy = False

    def close(self) -> None:
        """End the thread once it comes back. Idempotent."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (socket.gaierror, UnicodeError):
        return []
    return [str(address[0]) for *_, address in found]
