"""Add context to exceptions raised by third-party code."""

from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True)
class Noting:
    """Add a note to any exception raised inside the ``with`` block and let it propagate.

    Args:
        note: describes the operation during which the exception was raised.

    Example:
        >>> with Noting("called with 2 images"):
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
