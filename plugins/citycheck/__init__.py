"""citycheck: a half-yearly check of the health of a city's communities (城镇社区专项体检)."""

__version__ = "0.1.0"

FEEDS = ("communities", "facilities", "survey", "repair_reports")
"""The four feeds, in the order in which a half-year takes them in."""
