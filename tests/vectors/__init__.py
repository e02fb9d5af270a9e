"""Test vectors as files that any language can read, and what makes them."""
