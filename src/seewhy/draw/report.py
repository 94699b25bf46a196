"""The report: one HTML file that opens from disk, asks no network, and lets a reader check the map.

The page is a template filled with escaped text. The maps travel as numbers, not as pictures, so that the reader's
pointer finds values; their colours come from the same table as the overview's.
"""

import base64
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

import numpy as np

from seewhy.draw import words
from seewhy.draw.before_after import before_after
from seewhy.draw.embed import jpeg_uri, pack, packed_size, picture_uri, safe_json, sprite_columns, sprite_uri, thin
from seewhy.draw.outline import COLOURS, borders, label
from seewhy.draw.overview import overview_image
from seewhy.draw.scene import Exhibits, Panel, Scene
from seewhy.plots.scales import Scale, distinct, scales_of


def report_html(scene: Scene) -> str:
    """Write the report.

    Args:
        scene: what is shown.

    Returns:
        a complete HTML document without a reference to anything outside it.
    """
    manifest = scene.manifest
    headline = words.headline(manifest)
    name = words.text(words.section(manifest, "image"), "name")
    return Template(_template("report.html")).substitute(
        css=_template("report.css") + _template("change.css"),
        js=_template("report.js") + _template("change.js"),
        title=escape(" · ".join(part for part in (headline, name, "seewhy") if part)),
        headline=escape(headline),
        byline=escape(" · ".join(part for part in (name, words.footer(manifest)) if part)),
        footer=escape(f"Drawn by seewhy. {words.footer(manifest)}"),
        notices=_notices(scene),
        change=before_after(scene.plates),
        choices="".join(map(_choice, range(len(scene.panels)), scene.panels)),
        legends="".join(map(_legend, _scales(scene))),
        exhibits=_exhibits(scene.exhibits),
        predicted=_predicted(scene),
        check=_check(scene),
        reading="".join(f"<p>{escape(paragraph)}</p>" for paragraph in words.reading(scene.panels)),
        recipe=_recipe(scene),
        command=_command(scene),
        data=safe_json(_data(scene)),
        **_stage(scene, name),
    )


def _template(name: str) -> str:
    """A file from the templates folder of the package."""
    return files("seewhy.draw").joinpath("templates", name).read_text(encoding="utf-8")


def _scales(scene: Scene) -> list[Scale]:
    """The scales in the order in which the page numbers them."""
    return distinct(scales_of(scene.panels).values())


def _stage(scene: Scene, name: str) -> dict[str, str]:
    """The pictures and the place of the classifier's view on the photo."""
    height, width = scene.frame.picture
    left, top, right, bottom = scene.frame.box
    box = {"left": left / width, "top": top / height}
    box |= {"width": (right - left) / width, "height": (bottom - top) / height}
    small = overview_image(scene)
    small.thumbnail((1400, 1400))
    return {
        "photo": picture_uri(scene.picture),
        "overview": jpeg_uri(small, quality=80),
        "alt": escape(f"Photo {name}".strip()),
        "aspect": f"{width / height:.6g}",
        "seen": ";".join(f"{side}:{share:.4%}" for side, share in box.items()),
        "pixelated": "pixelated" if max(height, width) <= 160 else "",
    }


def _data(scene: Scene) -> dict[str, object]:
    """What the script needs."""
    scales, shared = _scales(scene), scales_of(scene.panels)
    return {
        "frame": {
            "box": scene.frame.box,
            "size": scene.frame.size,
            "maps": packed_size(scene.frame.size),
            "picture": scene.frame.picture,
        },
        "scales": [_scale_data(scale) for scale in scales],
        "panels": [_panel_data(panel, scales.index(shared[panel.key])) for panel in scene.panels],
        "exhibits": _exhibits_data(scene.exhibits),
    }


def _scale_data(scale: Scale) -> dict[str, object]:
    """A scale with its colour table."""
    colours = base64.b64encode(scale.colours.tobytes()).decode("ascii")
    return {"low": scale.low, "high": scale.high, "colours": colours}


def _panel_data(panel: Panel, scale: int) -> dict[str, object]:
    """A map as numbers."""
    return {
        "key": panel.key,
        "title": panel.title,
        "unit": panel.unit,
        "diverging": panel.diverging,
        "scale": scale,
        "values": pack(thin(panel.values)),
        "stderr": None if panel.stderr is None else pack(thin(panel.stderr)),
        "outlines": [
            {"label": label(name, where), "colour": f"rgb({red} {green} {blue})", "lines": borders(where)}
            for (name, where), (red, green, blue) in zip(panel.outlines.items(), COLOURS, strict=False)
        ],
    }


def _exhibits_data(exhibits: Exhibits | None) -> dict[str, object] | None:
    """Where the windows are and what the classifier said; their pictures are in the sprite."""
    if exhibits is None or not len(exhibits.positions):
        return None
    return {
        "size": exhibits.size,
        "columns": sprite_columns(exhibits),
        "positions": exhibits.positions.tolist(),
        "labels": exhibits.labels,
        "baseline": np.round(exhibits.baseline.astype(np.float64), 6).tolist(),
        "probabilities": np.round(exhibits.probabilities.astype(np.float64), 6).tolist(),
    }


def _choice(place: int, panel: Panel) -> str:
    """A button of the map switcher: a radio button, so that arrow keys work as everywhere."""
    checked = " checked" if place == 0 else ""
    subtitle = f'<span class="sub">{escape(panel.subtitle)}</span>' if panel.subtitle else ""
    return (
        f'<label title="{escape(panel.title)}"><input type="radio" name="map" value="{escape(panel.key)}"{checked}>'
        f'<span class="name">{escape(panel.title)}</span>{subtitle}</label>'
    )


def _legend(scale: Scale) -> str:
    """A colour bar with its name, its limit and round values."""
    stops = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in scale.bar(65).tolist())
    ends = "".join(f"<span>{end}</span>" for end in scale.ends or ())
    shares = [((value - scale.low) / (scale.high - scale.low), label) for value, label in scale.ticks()]
    ticks = "".join(f'<span style="left:{share:.2%}">{escape(label)}</span>' for share, label in shares)
    name = escape((f"{scale.name} ({scale.unit})" if scale.unit else scale.name).capitalize())
    return (
        f'<div class="legend"><div class="head"><b>{name}</b><span>{escape(scale.statement)}</span></div>'
        f'<div class="bar" style="background:linear-gradient(to right, {stops})">{ends}'
        f'<div class="needle" hidden></div></div><div class="ticks">{ticks}</div></div>'
    )


def _notices(scene: Scene) -> str:
    """Warnings first, then notes."""
    warnings, notes = words.notices(scene.manifest)
    loud = [f'<p class="notice" role="note"><strong>Warning:</strong> {escape(line)}</p>' for line in warnings]
    return "\n".join([*loud, *(f'<p class="notice note" role="note">{escape(line)}</p>' for line in notes)])


def _exhibits(exhibits: Exhibits | None) -> str:
    """The card that shows a window and its in-fills, filled by the script."""
    if exhibits is None or not len(exhibits.positions):
        return ""
    samples = range(1, exhibits.patches.shape[1] + 1)
    heads = "".join(f'<th scope="col">in-fill {sample}</th>' for sample in samples)
    cells = "<td><canvas></canvas></td>" * (len(samples) + 1)
    return (
        '<section class="card exhibit js" aria-label="What the classifier was asked"><h2>What the classifier was asked</h2>'
        '<p id="exhibit-none" class="hint">No window was kept for this spot.</p><div id="exhibit-some">'
        '<div class="strip" tabindex="0" role="group" aria-label="The window, its in-fills, and the answers"><table>'
        f'<thead><tr><th scope="col">hidden</th>{heads}</tr><tr id="exhibit-patches" aria-hidden="true">{cells}</tr></thead>'
        '<tbody id="exhibit-rows"></tbody></table></div>'
        '<p class="hint">What the classifier says of the picture with each in-fill in the outlined window; '
        "the tick is its answer to the whole picture. Nats beside a class are the evidence of this one window.</p></div>"
        f'<img id="sprite" alt="" hidden src="{sprite_uri(exhibits)}"></section>'
    )


def _predicted(scene: Scene) -> str:
    """The classes with their probabilities as bars."""
    lines = []
    for row in words.rows(scene.manifest, "predicted"):
        probability = row.get("probability")
        share = min(max(float(probability), 0), 1) if isinstance(probability, int | float) else 0.0
        lines.append(
            f"<li><span>{escape(words.text(row, 'label') or words.text(row, 'index'))}</span>"
            f'<span class="p">{escape(words.probability(probability))}</span>'
            f'<span class="track"><i style="width:{share:.2%}"></i></span></li>'
        )
    body = f'<ul class="predicted">{"".join(lines)}</ul>'
    return f'<section class="card"><h2>What the classifier says</h2>{body}</section>' if lines else ""


_VERDICTS = {
    "agree": "stays",
    "in part": "stays in part",
    "depends": "depends on the in-fill",
    "noisy": "noise may hide that it stays",
    "flat": "nothing to compare",
}


def _check(scene: Scene) -> str:
    """Whether each map stays with other in-fills, where they were asked."""
    check = words.section(scene.manifest, "infill_check")
    titles = {panel.key: panel.title for panel in scene.panels}
    keyed = [(words.text(row, "key"), row) for row in words.rows(check, "targets")]
    lines = [_check_row(titles.get(key, key), row) for key, row in keyed]
    if not lines:
        return ""
    others = " and ".join(words.text(row, "spec").partition(":")[0] for row in words.rows(check, "infills"))
    return (
        '<section class="card"><h2>Does the map stay with other in-fills?</h2>'
        '<table class="check"><thead><tr><th scope="col">map</th><th scope="col">correlation</th>'
        '<th scope="col">noise leaves</th><th scope="col"></th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
        f'<p class="hint">Mean rank correlation with the maps of {escape(others)} for the same windows '
        f"({escape(words.text(check, 'queries'))} more queries); beside it, what noise alone would leave of 1.</p></section>"
    )


def _check_row(title: str, row: words.Fields) -> str:
    """One map."""
    numbers = (words.correlation(row.get(key)) for key in ("correlation", "expected"))
    cells = "".join(f"<td>{number}</td>" for number in numbers)
    verdict = escape(_VERDICTS.get(words.text(row, "verdict"), ""))
    return f'<tr><th scope="row">{escape(title)}</th>{cells}<td>{verdict}</td></tr>'


def _recipe(scene: Scene) -> str:
    """How the explanation was made, as a table."""
    lines = "".join(_recipe_row(*row) for row in words.recipe(scene.manifest))
    table = f'<div class="scroll"><table class="recipe"><tbody>{lines}</tbody></table></div>'
    title = '<h2 id="recipe-title">Recipe</h2>'
    return f'<section aria-labelledby="recipe-title">{title}{table}</section>' if lines else ""


def _recipe_row(heading: str, pairs: Sequence[tuple[str, str]]) -> str:
    """One line of the recipe, its parts beneath each other."""
    parts = [_pair(name.replace("_", " "), value) if name else escape(value) for name, value in pairs]
    return f'<tr><th scope="row">{escape(heading)}</th><td>{"".join(parts)}</td></tr>'


def _pair(name: str, value: str) -> str:
    """One part of a line of the recipe."""
    return f'<div class="pair"><span class="key">{escape(name)}</span><span>{escape(value)}</span></div>'


def _command(scene: Scene) -> str:
    """The command line that makes this explanation again."""
    command = words.text(scene.manifest, "command")
    if not command:
        return ""
    return (
        '<div class="command"><h2>Run it again</h2><div class="row">'
        f'<pre><code id="command">{escape(command)}</code></pre>'
        '<button type="button" id="copy" class="js">Copy</button></div></div>'
    )
