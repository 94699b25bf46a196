"""One paper, one file: a function ``(probe, targets, *, settings) → Maps``."""
