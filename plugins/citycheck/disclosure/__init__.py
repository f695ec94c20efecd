"""Disclosure control: which figures of small groups are kept back, and an attack that tries to compute them all the same."""
