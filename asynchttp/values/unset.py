"""The mark for "not given", where None already means "switched off"."""

from __future__ import annotations

import enum
from typing import Final, Literal, TypeAlias


class Unset(enum.Enum):
    """An argument that was left out, so that the client's own setting holds."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        """Show the name alone, as signatures do."""
        return "UNSET"

    def __bool__(self) -> Literal[False]:
        """False: nothing was given."""
        return False


UNSET: Final = Unset.UNSET
UnsetType: TypeAlias = Literal[Unset.UNSET]
