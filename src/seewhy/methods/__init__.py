"""Explanation methods, one per file: each is a function ``(probe, targets, *, settings) → Maps``."""
