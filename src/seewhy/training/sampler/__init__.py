"""Train a patch sampler on photos."""
