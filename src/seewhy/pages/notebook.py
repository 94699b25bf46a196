"""What a notebook shows for an explanation."""

import io
from collections.abc import Sequence

from PIL import Image

from seewhy.pages._embed import jpeg_uri
from seewhy.pages._environment import render

_WIDEST = 1000


def notebook_html(overview: bytes, findings: Sequence[str]) -> str:
    """Return the overview and the findings as a fragment of HTML, small enough to keep in a notebook.

    Args:
        overview: a PNG file.
        findings: sentences below it.
    """
    image = Image.open(io.BytesIO(overview)).convert("RGB")
    image.thumbnail((_WIDEST, 4 * _WIDEST))
    return render("notebook.html", overview=jpeg_uri(image, quality=80), findings=findings)
