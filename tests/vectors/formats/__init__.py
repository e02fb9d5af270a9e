"""The vectors of our own formats: what tests/vectors/generate_formats.py writes."""
