"""The contracts: what a classifier, an in-fill, a question and an answer are. Numpy and torch only; no file, no network."""
