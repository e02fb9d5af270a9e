"""Tests of the source itself: what a reader may rely on in every file."""
