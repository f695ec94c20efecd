"""citycheck: a half-yearly check of the health of a city's communities (城镇社区专项体检)."""

__version__ = "0.1.0"
