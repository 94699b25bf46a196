"""Evidence of windows: compare the answer with and without each patch."""
