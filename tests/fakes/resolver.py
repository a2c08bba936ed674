"""Names that resolve to what a test says, answer by answer."""

from collections.abc import Mapping, Sequence


class FakeResolver:
    """Gives each name its answers in turn; the last one again and again. Unknown names have none."""

    def __init__(self, names: Mapping[str, Sequence[Sequence[str]]] | None = None) -> None:
        self._names = {name: list(answers) for name, answers in (names or {}).items()}
        self.asked: list[str] = []
        self.is_down = False

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if self.is_down:
            raise OSError("no name server answers")
        answers = self._names.get(host, [[]])
        return answers.pop(0) if len(answers) > 1 else answers[0]
