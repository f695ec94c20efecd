"""Where things are and how this deployment behaves: one typed object, read from CITYCHECK_* once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

_PROJECT = Path(__file__).resolve().parents[2]


class Settings(BaseSettings):
    """Each field can be set by an environment variable of the same name, prefixed CITYCHECK_."""

    model_config = SettingsConfigDict(env_prefix="CITYCHECK_", frozen=True)

    project: Path = _PROJECT
    """The checkout: dags/, dbt_project/, expectations/, cities/."""
    home: Path = _PROJECT / "var"
    """Everything that runs produce, one folder a city."""
    sources: Path = _PROJECT.parent / "shared" / "data"
    """Where source files may lie beside the project; absent is fine, pinned addresses are used then."""
    city: str = "quzhou_sample"
    """The city of runs that name none."""
    time_zone: str = "Asia/Shanghai"
    """Time zone of the schedules; a half-year begins and ends on its clocks."""
    scheduled: bool = True
    """Whether the DAGs run by themselves at the end of a half-year; without, they run when they are triggered."""
    retry_delay_seconds: int = 300
    """How long a task waits before it asks a busy source, or for a feed that must come first, again."""
    landing_retention_days: int = 400
    """How long landing keeps what sources sent; receipts stay."""
    hash_key_connection: str | None = None
    """Airflow connection whose password is the key of the hashes of ids; without, a file below `home` made on first use."""
    signing_key_connection: str | None = None
    """Airflow connection whose password is the key that signs releases; without, a file below `home` made on first use."""
    approvers: str = "approver"
    """Ids of the users who may approve or reject a candidate, with commas between them."""
    releases: str | None = None
    """`s3://bucket/prefix` where releases are kept besides the local folder, which then is the working copy."""
    releases_connection: str | None = None
    """Airflow connection with the credentials, and in its extra the endpoint, of that bucket."""
    dbt_threads: int = 2
    duckdb_memory_limit: str = "4GB"

    @property
    def cities(self) -> Path:
        return self.project / "cities"

    @property
    def expectations(self) -> Path:
        return self.project / "expectations"

    @property
    def dbt_project(self) -> Path:
        return self.project / "dbt_project"

    def city_home(self, city: str) -> CityHome:
        return CityHome(self.home / city)


@dataclass(frozen=True)
class CityHome:
    """The folders of one city."""

    root: Path

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def data_docs(self) -> Path:
        return self.root / "data_docs"

    @property
    def alerts(self) -> Path:
        """What people were told, and when: without it they would be told twice."""
        return self.root / "alerts"

    @property
    def work(self) -> Path:
        """Unfinished business. Between runs all of it may be deleted but the builds whose candidate is not published."""
        return self.root / "scratch"


@lru_cache
def settings() -> Settings:
    return Settings()
