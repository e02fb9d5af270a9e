"""Envelopes sealed in suite 1, with wraps by us and by Go: no published vector covers the suite's triple."""
