"""Methods that call another method by its name."""

from collections.abc import Callable, Sequence
from functools import wraps

from seewhy.core.attribution import Attribution
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import Target


def calling(function: Callable[..., Attribution]) -> Callable[..., Attribution]:
    """Give a method, as its third argument, the function that runs another one by its Spec."""

    @wraps(function)
    def run(probe: Probe, targets: Sequence[Target], **settings: object) -> Attribution:
        return function(probe, targets, explain, **settings)

    return run


def explain(spec: str, probe: Probe, targets: Sequence[Target]) -> Attribution:
    """Run a method by its Spec, in which ``;`` may stand for a comma.

    Raises:
        RequestError: there is no such method, or the classifier does not let it see what it needs.
    """
    from seewhy.registry.tables import lookup  # noqa: PLC0415 - the tables hold the methods that call this one

    bound = lookup("methods", as_spec(spec))
    if probe.classifier.access < bound.row.access:
        raise RequestError(
            f"{bound.name} needs {bound.row.access.name}, this classifier gives {probe.classifier.access.name}; choose "
            "another method as first, such as rise"
        )
    maps: Attribution = bound.row.run(probe, targets, **bound.settings)
    return maps


def as_spec(text: str) -> str:
    """Read a Spec that is the setting of another one."""
    return text.replace(";", ",")
