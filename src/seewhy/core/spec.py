"""The syntax ``name:key=value,key=value`` that selects a classifier, an in-fill or a method and its settings."""

from dataclasses import dataclass, field

from seewhy.core.errors import RequestError


@dataclass(frozen=True)
class Spec:
    """A name with settings, as text.

    Args:
        name: name in the registry.
        settings: setting → value, as unparsed text.

    Example:
        >>> Spec.parse("rise:masks=4000,p=0.5").settings["p"]
        '0.5'
    """

    name: str
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Spec":
        """Parse ``name`` or ``name:key=value,key=value``.

        Raises:
            RequestError: the name is missing, a setting has no ``=``, or a setting is given twice.
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
                raise RequestError(f"expected each setting once in {text!r}, got {key!r} twice; remove one")
            settings[key] = value
        return cls(name, settings)

    def __str__(self) -> str:
        tail = ",".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.name}:{tail}" if tail else self.name
