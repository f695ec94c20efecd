"""The bucket that keeps a city's releases beside the local folder, where the deployment names one."""

from __future__ import annotations

from citycheck import connections
from citycheck.connections import Lookup
from citycheck.errors import BadInput
from citycheck.release import publish as releases
from citycheck.settings import CityHome, settings
from citycheck.steps import keys


def shelf_of(home: CityHome, lookup: Lookup = connections.from_environment) -> releases.Shelf | None:
    """`<CITYCHECK_RELEASES>/<city>`, with the credentials of its connection; None where releases are kept here alone."""
    if settings().releases is None:
        return None
    from citycheck.release.s3 import Shelf

    name = settings().releases_connection
    if name is None:
        raise BadInput(
            "CITYCHECK_RELEASES names a bucket, and CITYCHECK_RELEASES_CONNECTION no connection with its credentials. Set it."
        )
    trusted = keys.signing_key(lookup).id  # what another key has signed is not taken for the city's
    return Shelf(f"{settings().releases}/{home.root.name}", lookup(name), trusted=trusted)


def bring_up_to_date(home: CityHome, lookup: Lookup = connections.from_environment) -> None:
    """Let the local folder of releases and the bucket have the same, where there is a bucket."""
    shelf = shelf_of(home, lookup)
    if shelf is not None:
        releases.refresh(home.releases, shelf)
