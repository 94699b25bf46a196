"""Random sampling: average, regress or test the answers to many random occlusions."""
