"""The card of the report that holds the picture against those that belong to the answer.

The pictures stand side by side in the page itself, for readers and printers without scripts; a script lays two of them over each
other, with a slider between them.
"""

from collections.abc import Sequence
from html import escape

from seewhy.draw import words
from seewhy.draw.embed import picture_uri
from seewhy.draw.scene import Plate

_SMALL = 160
"""A picture of no more pixels a side is shown with square pixels."""


def before_after(plates: Sequence[Plate]) -> str:
    """Write the card.

    Args:
        plates: the picture as the classifier sees it, then those that belong to the answer; nothing is written without these.

    Returns:
        HTML that stands without its script.
    """
    if len(plates) < 2:
        return ""
    height, width = plates[0].pixels.shape[:2]
    pixelated = " pixelated" if max(height, width) <= _SMALL else ""
    return (
        f'<section class="card change{pixelated}" style="--aspect:{width / height:.6g}" aria-labelledby="change-title">'
        f'<h2 id="change-title">Before and after</h2><div class="change-body">{_SWAP}'
        f'<div class="plates">{"".join(map(_figure, plates))}</div>'
        f'<div class="told">{_choices(plates[1:])}{_table(plates)}{_DIFFERENCE}</div></div></section>'
    )


_SWAP = (
    '<div class="swap js" id="swap"><img class="before" alt=""><img class="after" alt=""><div class="edge"></div>'
    '<span class="tag"></span><span class="tag"></span>'
    '<input type="range" id="swap-at" min="0" max="100" value="20" aria-label="How much of the input is shown"></div>'
)

_DIFFERENCE = (
    '<label class="switch js"><input type="checkbox" id="swap-difference"> Show only what differs '
    '<span class="hint">(three times as bright; black is the same)</span></label>'
)


def _figure(plate: Plate) -> str:
    """A picture with what it is and what the classifier says of it."""
    title = escape(words.plate_title(plate.name))
    return (
        f'<figure data-plate="{escape(plate.name)}"><img alt="{title}" src="{picture_uri(plate.pixels)}">'
        f"<figcaption><b>{title}</b> {escape(plate.said)}</figcaption></figure>"
    )


def _choices(others: Sequence[Plate]) -> str:
    """Radio buttons for what the picture is compared with; none where there is no choice."""
    if len(others) < 2:
        return ""
    buttons = (
        f'<label><input type="radio" name="plate" value="{escape(plate.name)}"{" checked" if place == 0 else ""}>'
        f'<span class="name">{escape(words.plate_title(plate.name))}</span></label>'
        for place, plate in enumerate(others)
    )
    return f'<fieldset class="maps js"><legend>Compared with the input</legend>{"".join(buttons)}</fieldset>'


def _table(plates: Sequence[Plate]) -> str:
    """What the classifier says of each picture, class by class."""
    heads = "".join(f'<th scope="col">{escape(label)}</th>' for label, _ in plates[0].chances)
    return (
        '<div class="scroll"><table class="chances"><thead><tr><th scope="col">The classifier says</th>'
        f"{heads}</tr></thead><tbody>{''.join(map(_row, plates))}</tbody></table></div>"
    )


def _row(plate: Plate) -> str:
    """One picture of the table."""
    cells = "".join(
        f'<td>{escape(words.probability(chance))}<span class="track"><i style="width:{chance:.2%}"></i></span></td>'
        for _, chance in plate.chances
    )
    title, meaning = escape(words.plate_title(plate.name)), escape(words.plate_meaning(plate.name))
    return f'<tr data-plate="{escape(plate.name)}"><th scope="row">{title}<span>{meaning}</span></th>{cells}</tr>'
