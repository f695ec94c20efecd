"""DuckDB with its spatial extension, loaded from the installed wheel and never from the network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import duckdb

from citycheck.errors import BadInput


def spatial_extension_path() -> Path:
    """Where the wheel `duckdb-extension-spatial` keeps the extension that fits this DuckDB."""
    spec = find_spec("duckdb_extension_spatial")
    root = Path(next(iter(spec.submodule_search_locations or []), "")) if spec else None
    path = root / "extensions" / f"v{duckdb.__version__}" / "spatial.duckdb_extension" if root else None
    if path is None or not path.is_file():
        raise BadInput(
            f"No spatial extension for DuckDB {duckdb.__version__} is installed: expected the wheel "
            "duckdb-extension-spatial of the same version. Run `make setup`."
        )
    return path


def connect(
    path: str | Path = ":memory:",
    *,
    read_only: bool = False,
    memory_limit: str | None = None,
    temp: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open a database with `spatial` loaded; `memory_limit` such as "1GB", `temp` where it may spill."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    if memory_limit:
        config["memory_limit"] = memory_limit
    if temp:
        config["temp_directory"] = str(temp)
    connection = duckdb.connect(str(path), read_only=read_only, config=config)
    connection.execute(f"load '{spatial_extension_path()}'")
    return connection
