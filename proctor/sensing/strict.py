"""What every threshold is made of: values that are checked once, to the last field.

Values are strict (no text for numbers, no NaN, no unknown field): a threshold that compares with
nothing would switch a detector off in silence (TRUST D12).
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Milliseconds = Annotated[int, Field(ge=0, le=600_000)]
PositiveMilliseconds = Annotated[int, Field(ge=100, le=600_000)]
Probability = Annotated[float, Field(gt=0.0, lt=1.0)]  # 0 or 1 would switch a detector off
Degrees = Annotated[float, Field(ge=1.0, le=90.0)]


class Strict(BaseModel):
    """A value that is checked once, to the last field, and never changes."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
    )
