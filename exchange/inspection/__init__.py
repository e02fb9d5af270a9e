"""Inspection: everything that is stored, compared with the log, the log with its signed heads, its guard and its own hashes."""
