"""Backups: what is in one, how it lies on its medium, and how it comes back. Never in one: prekeys, and the guard."""
