"""``name:key=value,key=value``: one way to name a classifier, an in-fill or a method, wherever a user can type one."""

from dataclasses import dataclass, field

from seewhy.core.errors import RequestError


@dataclass(frozen=True)
class Spec:
    """A name and its settings, as text.

    Args:
        name: what the registry calls it.
        settings: setting → value, still text.

    Example:
        >>> Spec.parse("rise:masks=4000,p=0.5").settings["p"]
        '0.5'
    """

    name: str
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Spec":
        """Read ``name`` or ``name:key=value,key=value``.

        Raises:
            RequestError: a name is missing, a setting has no ``=`` or stands twice.
        """
        name, _, tail = text.strip().partition(":")
        if not name:
            raise RequestError(f"expected name:key=value,…, got {text!r}; start with a name")
        settings: dict[str, str] = {}
        for part in filter(None, (piece.strip() for piece in tail.split(","))):
            key, equals, value = (piece.strip() for piece in part.partition("="))
            if not (key and equals and value):
                raise RequestError(f"expected key=value in {text!r}, got {part!r}; write {key or 'key'}=…")
            if key in settings:
                raise RequestError(f"setting {key!r} stands twice in {text!r}; keep one")
            settings[key] = value
        return cls(name, settings)

    def __str__(self) -> str:
        tail = ",".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.name}:{tail}" if tail else self.name
