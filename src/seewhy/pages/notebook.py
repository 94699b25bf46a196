"""What a notebook shows for an explanation."""

from collections.abc import Sequence

from seewhy.pages._embed import png_as_jpeg_uri
from seewhy.pages._environment import render


def notebook_html(overview: bytes, findings: Sequence[str]) -> str:
    """Return the overview, a PNG file, and the findings as a fragment of HTML, small enough to keep in a notebook."""
    return render("notebook.html", overview=png_as_jpeg_uri(overview, widest=1000), findings=findings)
