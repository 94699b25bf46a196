"""The two games of meaningful perturbation: delete the least that changes the answer, or preserve the least that keeps it."""

from typing import Literal

from torch import Tensor

Game = Literal["deletion", "preservation"]


def region(keep: Tensor, game: Game) -> Tensor:
    """Return the fraction that the game minimises: what is removed, or what is kept.

    Example:
        >>> import torch
        >>> region(torch.tensor([1.0, 0.25]), "deletion").tolist()
        [0.0, 0.75]
    """
    return 1 - keep if game == "deletion" else keep


def finding(game: Game, whole: float, now: float, share: float) -> str:
    """State the effect of a learned region in one sentence.

    Args:
        game: the game that the region was learned for.
        whole: the target's probability for the full image.
        now: the target's probability with the region removed (preservation: with only the region kept).
        share: the region's area as a fraction of the image.

    Example:
        >>> finding("deletion", 0.9, 0.8, 0.1)
        'no small region changes the prediction: with 10.0% of the image removed, the probability is 0.8 (0.9 before)'
    """
    if game == "deletion":
        does, statement = (
            "changes",
            f"with {share:.1%} of the image removed, the probability is {now:.3g} ({whole:.3g} before)",
        )
    else:
        does, statement = (
            "keeps",
            f"{share:.1%} of the image alone has probability {now:.3g} (full image: {whole:.3g})",
        )
    found = share < 0.5 and (now < whole / 2) is (game == "deletion")
    return statement if found else f"no small region {does} the prediction: {statement}"
