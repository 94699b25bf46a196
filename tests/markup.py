"""The elements of a page, for tests that look at HTML."""

import base64
from html.parser import HTMLParser

import numpy as np
from jaxtyping import Float32

from seewhy.pages._embed import Packed

Attributes = dict[str, str | None]


class Page(HTMLParser):
    """Lists the elements of a page, with their attributes, and its visible text.

    Args:
        html: of the page, or of a part of it.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, Attributes]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note text; the contents of scripts and styles are not text."""
        if not self.elements or self.elements[-1][0] not in {"script", "style"}:
            self.text.append(data)

    def of(self, tag: str) -> list[Attributes]:
        """Return the attributes of all elements of one kind, in order."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        """The text with single spaces."""
        return " ".join(" ".join(self.text).split())


def unpack(packed: Packed, shape: tuple[int, int]) -> Float32[np.ndarray, "h w"]:
    """Decode what `seewhy.pages._embed.pack` encoded, as the page's script does."""
    kind = "<f2" if packed["dtype"] == "float16" else "<f4"
    return np.frombuffer(base64.b64decode(packed["data"]), kind).astype(np.float32).reshape(shape)
