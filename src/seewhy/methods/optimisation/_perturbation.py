"""What the methods that learn a region share: the two games of meaningful perturbation, and their result."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution, as_map

Game = Literal["deletion", "preservation"]
"""Delete the least that changes the answer, or preserve the least that keeps it."""


class Learned(NamedTuple):
    """What was learned for one target; ``stopped`` says why before the last step, if so."""

    values: Float[Tensor, "h w"]
    finding: str
    traces: Mapping[str, Sequence[float]]
    stopped: str | None


def attribution(
    learned: Mapping[str, Learned], unit: str, settings: Mapping[str, object], *, reduced: bool = False
) -> Attribution:
    """Combine the results of all targets; ``reduced`` says whether the budget allowed fewer steps than wanted."""
    early = next((one.stopped for one in learned.values() if one.stopped), None)
    return Attribution(
        {key: as_map(one.values) for key, one in learned.items()},
        {},
        unit,
        settings,
        early or ("queries" if reduced else "complete"),
        findings=tuple(f"{key}: {one.finding}" for key, one in learned.items()),
        traces={f"{key}: {name}": trace for key, one in learned.items() for name, trace in one.traces.items()},
    )


def region(keep: Tensor, game: Game) -> Tensor:
    """Return the fraction that the game minimises: what is removed, or what is kept."""
    return 1 - keep if game == "deletion" else keep


def finding(game: Game, whole: float, now: float, share: float) -> str:
    """State the effect of a learned region that covers ``share`` of the image, given the probability before and now."""
    if game == "deletion":
        effect = "changes"
        statement = f"with {share:.1%} of the image removed, the probability is {now:.3g} ({whole:.3g} before)"
    else:
        effect = "keeps"
        statement = f"{share:.1%} of the image alone has probability {now:.3g} (full image: {whole:.3g})"
    worked = share < 0.5 and (now < whole / 2) is (game == "deletion")
    return statement if worked else f"no small region {effect} the prediction: {statement}"
