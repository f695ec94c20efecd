"""The interface for other systems: what is published, read-only, as JSON and GeoJSON (docs/api.md)."""

from __future__ import annotations

from citycheck.web.api.app import api

__all__ = ["api"]
