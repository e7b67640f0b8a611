"""Types of operator attributes, as Pydantic reads them: strict, so that "3" is no number."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Padding = Annotated[int, Field(strict=True, ge=0, le=1024)]
Index = Annotated[int, Field(strict=True, ge=0)]
Flag = Annotated[bool, Field(strict=True)]
Rate = Annotated[float, Field(strict=True, ge=0, lt=1)]
Fraction = Annotated[float, Field(strict=True, gt=0, le=1)]
Epsilon = Annotated[float, Field(strict=True, gt=0, lt=1)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Shape = Annotated[tuple[Count, ...], Field(min_length=1, max_length=8)]
