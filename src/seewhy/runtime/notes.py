"""What was being done when code of somebody else raised."""

from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True)
class Noting:
    """Add a note to whatever is raised inside the ``with`` block, and let it pass.

    Args:
        note: what was being done.

    Example:
        >>> with Noting("called with 2 pictures"):
        ...     pass
    """

    note: str

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self.note)
