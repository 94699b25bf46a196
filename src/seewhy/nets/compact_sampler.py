"""The patch sampler q(patch | ring around it): coarse to fine, each group of pixels given the pixels already drawn.

The idea of such an in-fill is that of Yi, Kim, Kim, Yoon (arXiv 2009.11150, 2020); the network is this project's own. The
hidden K × K pixels are drawn in 1 + 2 log2 K groups of a quincunx refinement (1, 1, 2, 4, … pixels), as in multi-scale
autoregressive models (Reed et al., ICML 2017). The pixels of a group are independent given the ring and all earlier groups.
Within a pixel, G, R and B follow one discretised mixture of logistics with coupled means (PixelCNN++: Salimans et al., ICLR
2017). Hence the likelihood of an 8-bit patch is exact, samples are coherent, and each pixel costs one pass of a small
network.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seewhy.core.errors import RequestError
from seewhy.nets import checkpoints
from seewhy.nets.checkpoints import Card, fixed_seed, load_network
from seewhy.nets.mixture import Mixture

WEIGHTS = "weights.safetensors"
ARCH = "compact"
"""Name of the network in a card."""

Canvas = Float[Tensor, "n 7 d"]
"""Windows with flattened pixels: R, G, B (0 if not visible), a visibility flag, and the squares of R, G, B."""

_COLOUR_ORDER = (1, 0, 2)  # green first: it is closest to luminance, and the other two depend on it
_RADII = (3, 4, 4, 5, 7)  # of a group's receptive field, from the last group to the first; earlier groups see further
_NEAR, _WIDE = 4.0, 2.0  # inverse powers of distance that weight known pixels for reference colour and contrast
_FLOOR = 1 / 255  # minimum contrast, that of a flat neighbourhood: one 8-bit level
_LOG_SCALES = (-4.0, 8.0)  # from a spike to nearly uniform: beyond these the float32 likelihood loses its gradient
_WINDOWS = 8  # encoded together, padded: a fixed shape fixes the summation order of matrix products for any batch
_ROWS = 32  # drawn together, also padded: half as many take nearly as long
_DARK = 1e-6  # weight of mid-grey in the reference colour: matters only if no pixel is visible


def refinement(patch: int) -> list[list[tuple[int, int]]]:
    """List the groups of (row, column) of the pixels of a patch in drawing order: 1, 1, 2, 4, … of them.

    Each group doubles the number of known pixels: first at the centres of the squares of the current lattice, then at the
    midpoints of its edges.
    """
    start, step = patch // 4, patch
    groups = [[(start, start)]]
    while step > 1:
        half = step // 2
        near = sorted({(start + i) % patch for i in range(0, patch, step)})
        far = sorted({(start + half + i) % patch for i in range(0, patch, step)})
        groups.append([(y, x) for y in far for x in far])
        groups.append(sorted([(y, x) for y in near for x in far] + [(y, x) for y in far for x in near]))
        step = half
    return groups


def _in_chunks(function: Callable[..., Tensor], size: int, *rows: Tensor) -> Tensor:
    """Call a function on chunks of ``size`` rows; the last chunk is padded with repeats, whose results are dropped."""
    count = len(rows[0])
    padded = (torch.cat([each, each[:1].expand(-count % size, *each.shape[1:])]) for each in rows)
    parts = zip(*(torch.split(each, size) for each in padded), strict=True)
    return torch.cat([function(*part) for part in parts])[:count]


class _Group(nn.Module):
    """The receptive field of a group of pixels, and the small network that predicts a mixture for each of them."""

    view: Int[Tensor, " u"]
    known: Float[Tensor, "p v"]
    pixels: Int[Tensor, " p"]
    weights: Float[Tensor, "d e"]

    def __init__(
        self,
        cells: list[tuple[int, int]],
        known: Bool[Tensor, "s s"],
        *,
        radius: int,
        context: int,
        width: int,
        outputs: int,
    ) -> None:
        super().__init__()
        side = known.shape[0]
        patch = side // 3
        rows, columns = (torch.tensor(axis) + patch for axis in zip(*cells, strict=True))
        reach = torch.arange(-radius, radius + 1)
        view = ((rows[:, None] + reach)[:, :, None] * side + (columns[:, None] + reach)[:, None, :]).flatten(1)
        ys, xs = torch.arange(side)[:, None, None], torch.arange(side)[None, :, None]
        squared = ((ys - rows) ** 2 + (xs - columns) ** 2).flatten(0, 1).float()
        weights = known.flatten()[:, None] / squared.clamp(min=1)
        for name, value in {
            "view": (torch.arange(4)[:, None, None] * side**2 + view).flatten(),  # for R, G, B and visibility
            "known": known.flatten()[view].float(),
            "pixels": rows * side + columns,
            "weights": torch.cat([weights ** (_NEAR / 2), weights ** (_WIDE / 2)], dim=1),
        }.items():
            self.register_buffer(name, value, persistent=False)
        self.enter = nn.Linear(3 * view.shape[1] + context + 4, width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.leave = nn.Linear(width, outputs)

    def reference(self, canvas: Canvas) -> tuple[Float[Tensor, "n p 3"], Float[Tensor, "n p 1"]]:
        """Return the distance-weighted mean colour of the known pixels and the contrast around it, both in [0, 1]."""
        near, wide = torch.chunk((canvas @ self.weights).transpose(1, 2), 2, dim=1)
        colour = (near[:, :, :3] + _DARK / 2) / (near[:, :, 3:4] + _DARK)
        first, second = (part / (wide[:, :, 3:4] + _DARK) for part in (wide[:, :, :3], wide[:, :, 4:]))
        variance = (second - 2 * colour * first + colour**2).clamp(min=0).mean(2, keepdim=True)
        return colour, (variance + _FLOOR**2).sqrt()

    def forward(
        self, canvas: Canvas, context: Float[Tensor, "n p f"]
    ) -> tuple[Float[Tensor, "n p o"], Float[Tensor, "n p 3"], Float[Tensor, "n p 1"]]:
        """Return the group's raw outputs, reference colours and contrasts."""
        with torch.autocast(
            canvas.device.type, enabled=False
        ):  # in half precision the reference colour would be wrong by whole levels
            colour, contrast = self.reference(canvas)
        around = canvas.flatten(1).index_select(1, self.view).view(len(canvas), 4, *self.known.shape)
        seen, visible = around[:, :3].transpose(1, 2), around[:, 3]
        local = (seen - colour[..., None]) * (self.known * visible / contrast)[:, :, None]
        facts = [local.flatten(2), context, 2 * colour - 1, contrast.log() + 3]
        x = functional.silu(self.enter(torch.cat(facts, dim=2)))
        x = x + functional.silu(self.first(x))
        x = x + functional.silu(self.second(x))
        return self.leave(x).float(), colour, contrast


class CompactSampler(nn.Module):
    """A model q(patch | ring) with an exact likelihood and a cost that is negligible beside the classifier's.

    ``patch`` is its side K in pixels, ``width`` the number of hidden units per pixel, and ``components`` that of logistics in
    each pixel's mixture. ``summary`` features describe the whole ring (192, or 128 if K = 16), of which each hidden pixel
    receives ``context`` (64, or 24 if K = 16).

    Raises:
        RequestError: K is not 4, 8 or 16.
    """

    hidden: Bool[Tensor, "s s"]
    order: Int[Tensor, " q"]

    def __init__(
        self,
        patch: int = 8,
        *,
        width: int = 128,
        context: int | None = None,
        summary: int | None = None,
        components: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if patch not in {4, 8, 16}:
            raise RequestError(f"expected a patch of 4, 8 or 16 pixels, got {patch}; choose one of those")
        usual = (64, 192) if patch < 16 else (24, 128)  # keeps the weight file for K = 16 small
        context, summary = context or usual[0], summary or usual[1]
        self.patch, self.components, self.context = patch, components, context
        self.draws = 4 * patch * patch
        self.settings = {"width": width, "context": context, "summary": summary, "components": components}
        side = 3 * patch
        hidden = torch.zeros(side, side, dtype=torch.bool)
        hidden[patch : 2 * patch, patch : 2 * patch] = True
        self.register_buffer("hidden", hidden, persistent=False)
        with fixed_seed(seed):
            self.stem = nn.Sequential(
                nn.Conv2d(5, 32, 4, stride=2, padding=1),
                nn.SiLU(),
                nn.Conv2d(32, 32, 3, padding=1),
                nn.SiLU(),
                nn.Conv2d(32, 64, 4, stride=2, padding=1),
                nn.SiLU(),
                nn.Flatten(),
                nn.Linear(64 * (side // 4) ** 2, summary),
                nn.SiLU(),
            )
            self.refine = nn.Linear(summary + 4, summary)
            self.spread = nn.Linear(summary, patch * patch * context)
            self.groups = nn.ModuleList(self._groups(~hidden, width=width, context=context, outputs=10 * components))
        order = torch.tensor([y * patch + x for group in refinement(patch) for y, x in group])
        self.register_buffer("order", order, persistent=False)

    @staticmethod
    def _groups(known: Bool[Tensor, "s s"], *, width: int, context: int, outputs: int) -> list[_Group]:
        """Build the groups in drawing order; each knows the pixels of all earlier groups."""
        patch = known.shape[0] // 3
        cells = refinement(patch)
        groups = []
        for index, group in enumerate(cells):
            radius = min(_RADII[min(len(cells) - 1 - index, len(_RADII) - 1)], patch)
            groups.append(_Group(group, known, radius=radius, context=context, width=width, outputs=outputs))
            known = known.clone()
            for y, x in group:
                known[patch + y, patch + x] = True
        return groups

    def encode(self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"]) -> Float[Tensor, "n q f"]:
        """Encode the ring for each hidden pixel, in drawing order; one call serves all samples of the same window."""
        outside = outside * ~self.hidden
        visible = ((1 - outside) * ~self.hidden)[:, None]
        total = visible.sum((2, 3), keepdim=True) + _DARK
        mean = ((windows * visible).sum((2, 3), keepdim=True) + _DARK / 2) / total
        centred = (windows - mean) * visible
        contrast = ((centred**2).sum((1, 2, 3), keepdim=True) / (3 * total) + _FLOOR**2).sqrt()
        hidden = self.hidden.to(windows.dtype).expand_as(outside)
        summary: Tensor = self.stem(torch.cat([centred / contrast, hidden[:, None], outside[:, None]], dim=1))
        facts = torch.cat([2 * mean - 1, contrast.log() + 3], dim=1).flatten(1)
        summary = summary + functional.silu(self.refine(torch.cat([summary, facts], dim=1)))
        return functional.silu(self.spread(summary)).view(len(windows), -1, self.context)

    def _canvas(self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"]) -> Canvas:
        """Arrange windows as a canvas; each group uses only the central pixels drawn before it."""
        visible = (1 - outside * ~self.hidden).flatten(1)[:, None]
        seen = windows.flatten(2) * visible
        return torch.cat([seen, visible, seen.square()], dim=1)

    def _mixture(self, group: _Group, canvas: Canvas, context: Float[Tensor, "n p f"]) -> Mixture:
        """Interpret a group's outputs as a mixture around the reference colour, in units of the local contrast."""
        out, colour, contrast = group(canvas, context)
        weights, rest = out.split([self.components, 9 * self.components], dim=2)
        offsets, scales, couplings = rest.view(*rest.shape[:2], 3, 3, self.components).unbind(2)
        levels = 255 * contrast[..., None]
        return Mixture(
            weights.log_softmax(-1),
            255 * colour[:, :, _COLOUR_ORDER, None] + levels * offsets,
            (levels.log() + scales - 1).clamp(*_LOG_SCALES),
            couplings + 0.7,  # the channels of photos are correlated
        )

    def log_likelihood(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k"]:
        """Return the exact log probability in nats of each 8-bit sub-pixel given those drawn before it.

        The central K × K pixels of the windows are ignored; ``outside`` is 1 where a window extends beyond the image.
        """
        return self._placed(
            [mixture.log_likelihood(truth) for mixture, truth in self._forced(windows, outside, patches)]
        )

    def ranks(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Float[Tensor, "n 3 k k 2"]:
        """Return the probabilities of a level below each true level, and at or below it, given the pixels drawn before.

        If the model is correct, a number drawn uniformly between the two is uniform on [0, 1]: the probability integral
        transform (Rosenblatt, 1952; for discrete values Czado, Gneiting, Held, Biometrics, 2009).
        """
        each = [mixture.ranks(truth) for mixture, truth in self._forced(windows, outside, patches)]
        return torch.stack([self._placed([ranks[..., side] for ranks in each]) for side in range(2)], dim=-1)

    def _forced(
        self, windows: Float[Tensor, "n 3 s s"], outside: Float[Tensor, "n s s"], patches: Float[Tensor, "n 3 k k"]
    ) -> Iterator[tuple[Mixture, Float[Tensor, "n p 3"]]]:
        """Yield each group's mixture given the true pixels of all earlier groups, and its own true levels (G, R, B order)."""
        patch, contexts = self.patch, self._by_group(self.encode(windows, outside))
        whole = windows.clone()
        whole[:, :, patch : 2 * patch, patch : 2 * patch] = patches
        canvas = self._canvas(whole, outside)
        for group, context in zip(self._each(), contexts, strict=True):
            truth = (canvas[:, :3, group.pixels] * 255).round()[:, _COLOUR_ORDER, :].transpose(1, 2)
            yield self._mixture(group, canvas, context), truth

    def _placed(self, values: list[Float[Tensor, "n _ 3"]]) -> Float[Tensor, "n 3 k k"]:
        """Place each group's values (G, R, B order) at the pixels of the patch."""
        drawn = torch.cat(values, dim=1)[:, :, _COLOUR_ORDER]
        placed = torch.zeros_like(drawn).index_copy(1, self.order, drawn)
        return placed.transpose(1, 2).reshape(-1, 3, self.patch, self.patch)

    def sample(
        self,
        windows: Float[Tensor, "w 3 s s"],
        outside: Float[Tensor, "w s s"],
        uniforms: Float[Tensor, "n m"],
        which: Int[Tensor, " n"],
    ) -> Float[Tensor, "n 3 k k"]:
        """Draw a patch for each row of ``draws`` numbers in (0, 1), group by group; its values are multiples of 1/255.

        The windows are distinct; ``which`` is the index of each row's window.
        """
        contexts = _in_chunks(self.encode, _WINDOWS, windows, outside)
        blank = self._canvas(windows, outside)
        return _in_chunks(lambda each, part: self._draw(blank[each], contexts[each], part), _ROWS, which, uniforms)

    def _draw(
        self, canvas: Canvas, contexts: Float[Tensor, "n q f"], uniforms: Float[Tensor, "n m"]
    ) -> Float[Tensor, "n 3 k k"]:
        """Draw one patch per row, onto the canvas."""
        parts = self._by_group(uniforms.view(len(canvas), -1, 4))
        drawn = []
        for group, context, part in zip(self._each(), self._by_group(contexts), parts, strict=True):
            drawn.append(self._mixture(group, canvas, context).draw(part))
            colours = drawn[-1][:, :, _COLOUR_ORDER].transpose(1, 2) / 255
            canvas[:, :3, group.pixels], canvas[:, 4:, group.pixels] = colours, colours.square()
        return self._placed(drawn) / 255

    def _by_group(self, values: Float[Tensor, "n q f"]) -> tuple[Float[Tensor, "n p f"], ...]:
        """Split values per pixel, in drawing order, into groups."""
        return torch.split(values, [len(group.pixels) for group in self._each()], dim=1)

    def _each(self) -> list[_Group]:
        """Return the groups in drawing order."""
        return [group for group in self.groups if isinstance(group, _Group)]


def _remedy(patch: int | None) -> str:
    """Say how to train a sampler, for error messages."""
    option = "" if patch is None else f" --patch {patch}"
    return f"train one with: seewhy train sampler PHOTOS --out FOLDER{option}, and set weights=FOLDER"


def read_card(folder: Path, *, patch: int | None = None) -> Card:
    """Read the card of a trained patch sampler; RequestError if the weights are of another network or patch size."""
    card = checkpoints.read_card(folder, WEIGHTS, remedy=_remedy(patch))
    if card.get("arch") != ARCH or patch not in {None, card.get("patch")}:
        wanted = f"arch={ARCH}" + ("" if patch is None else f" patch={patch}")
        raise RequestError(
            f"expected weights for {wanted}, got arch={card.get('arch')} patch={card.get('patch')}; {_remedy(patch)}"
        )
    return card


def load_sampler(folder: Path, *, patch: int | None = None) -> tuple[CompactSampler, str]:
    """Read a trained patch sampler, in float32, and the SHA-256 of its weight file; RequestError as in `read_card`."""
    read_card(folder, patch=patch)
    net, card = load_network(
        folder,
        WEIGHTS,
        lambda card: CompactSampler(card["patch"], **card["settings"]),
        what="a patch sampler",
        remedy=_remedy(patch),
    )
    return net, card["sha256"]
