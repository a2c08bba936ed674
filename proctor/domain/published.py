"""What is published of a model: its role and how often it was found wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """One entry of the catalogue, in words for people.

    Attributes:
        role: What it looks or listens for.
        error_rates: What was measured here, with its caveats; empty when nothing was.
    """

    role: str
    error_rates: tuple[str, ...]
