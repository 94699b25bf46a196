"""Testable rules about a classifier (Fong, Vedaldi, ICCV 2017), grouped by topic."""
