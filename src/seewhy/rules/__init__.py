"""Rules about a classifier that can be tested on pictures (Fong, Vedaldi, ICCV 2017). One idea, one file."""
