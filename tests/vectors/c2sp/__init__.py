"""The cases that generate_c2sp.py writes."""
