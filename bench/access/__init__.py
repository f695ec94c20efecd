"""Who reaches what, measured: circles and walking distances, against their peers, on the same synthetic data."""
