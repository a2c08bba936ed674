"""Saying all that is wrong with a part of a policy, not the first of it alone."""

import re
from collections.abc import Iterable, Iterator
from string import Formatter


class Faults(ValueError):
    """Everything that is wrong with one part, the first of it as the message."""

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        self.faults = faults

    def __str__(self) -> str:
        return self.faults[0]


def refuse(faults: Iterable[str]) -> None:
    """Raise `Faults` unless there is none."""
    if found := tuple(faults):
        raise Faults(*found)


def wrong_in(
    text: str, known: frozenset[str], texts: frozenset[str] = frozenset()
) -> Iterator[str]:
    """One sentence for everything in a text of a policy that could not be said.

    Args:
        text: A template for `str.format`.
        known: Figures that it may name, in plain number formats only.
        texts: Names that stand for words, without any format.
    """
    try:
        fields = list(Formatter().parse(text))
    except ValueError as error:
        yield f"{error} in a text"
        return
    for _, field, spec, conversion in fields:
        if field is None or (field in texts and not spec and not conversion):
            continue
        if field not in known or conversion:
            yield f"{{{field}}} is none of the figures {sorted(known)}"
        elif not re.fullmatch(r"\+?(\.[0-6])?[fg%]?", spec or ""):
            yield f"{{{field}:{spec}}}: only formats such as .0f or .0% are allowed"
