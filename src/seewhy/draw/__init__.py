"""Pictures of an explanation: colour scales, the overview image and the self-contained report."""
