"""The places of a release for maps: a GeoParquet for each layer, and all layers in one GeoPackage, which QGIS opens.

Longitude and latitude in WGS84. Streets and counties are their communities' polygons dissolved. Facilities are public
ones, as the register has them; sites are rooms, land and centres. No building, estate or person is on the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from citycheck.release.about import About
from citycheck.release.flat import Resource, copy_parquet, resource
from citycheck.release.tables import Column, Table

GEOPACKAGE = "geometry/citycheck.gpkg"
_CRS = "EPSG:4326"
_INDEX = (
    "residents",
    "index_score",
    "band_code",
    "status",
    "weight_available_pct",
    "rank",
    "index_change",
    "obs_status",
    "conf_status",
)


@dataclass(frozen=True)
class Layer:
    """`query` gives the columns and last the geometry, in the order of `key`."""

    name: str
    title: str
    geometry_type: str
    key: str
    query: str
    tables: tuple[str, ...]
    """The marts that its columns are described in, the first that has one."""


def _areas(name: str, title: str, id_: str, index: str, names: tuple[str, ...]) -> Layer:
    """Areas with their index. The union of one polygon is itself, so communities need no query of their own."""
    listed = ", ".join(f"min(c.{column}) as {column}" for column in names)
    return Layer(
        name,
        title,
        "MultiPolygon",
        id_,
        f"""
        select c.{id_}, {listed}, {", ".join(f"min(i.{column}) as {column}" for column in _INDEX)},
            st_multi(st_union_agg(c.geometry order by c.community_id)) as geometry
        from marts.communities as c left join marts.{index} as i on i.area_id = c.{id_}
        where c.{id_} is not null
        group by c.{id_} order by c.{id_}
        """,
        ("communities", index),
    )


LAYERS = (
    _areas(
        "communities",
        "社区 / Communities with their index",
        "community_id",
        "community_index",
        ("community_name", "street_id", "street_name", "county_id", "county_name"),
    ),
    _areas(
        "streets",
        "街道（镇） / Streets and towns with their index",
        "street_id",
        "street_index",
        ("street_name", "county_id", "county_name"),
    ),
    _areas(
        "counties", "县（市、区） / Counties with their index", "county_id", "county_index", ("county_name",)
    ),
    Layer(
        "facilities",
        "公共服务设施 / Public facilities",
        "Point",
        "facility_id",
        """
        select f.facility_id, f.facility_name, f.kind_code, k.name_zh as kind_name_zh, k.name_en as kind_name_en,
            f.facility_status, f.operating_status, f.floor_area_m2, f.land_area_m2, f.community_id, f.street_id,
            f.county_id, st_point(f.lon, f.lat) as geometry
        from marts.facilities as f left join standard.facility_kinds as k using (kind_code)
        where f.lon is not null and f.lat is not null
        order by f.facility_id
        """,
        ("facilities", "shortfalls"),
    ),
    Layer(
        "projects",
        "更新项目选址 / Sites of renewal projects; where one is to be found, about where",
        "Point",
        "project_id",
        """
        select p.project_id, p.project_name_zh, p.project_name_en, p.kind_code, p.category_code, p.action_code,
            p.scale_code, p.pool_code, p.status_code, p.priority_score, p.uncovered_population, p.site_id, p.site_type,
            p.cost_cny, p.cost_basis, p.predicted_covered_population, p.predicted_city_points, p.supervision_code,
            p.community_id, p.street_id, p.county_id, p.obs_status, p.conf_status,
            st_point(p.site_lon, p.site_lat) as geometry
        from marts.projects as p
        where p.site_lon is not null and p.site_lat is not null
        order by p.project_id
        """,
        ("projects",),
    ),
)


def write_layers(
    connection: duckdb.DuckDBPyConnection, tables: dict[str, Table], about: About, folder: Path
) -> list[Resource]:
    """Write geometry/<layer>.parquet and geometry/citycheck.gpkg; answers with their entries in the data package."""
    import pyogrio

    (folder / "geometry").mkdir()
    path = folder / GEOPACKAGE
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    # A GeoPackage says when each layer was changed: as of its cut-off, whenever it is written.
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": about.moment_utc("%Y-%m-%dT%H:%M:%S.000Z")})
    resources = []
    try:
        for layer in LAYERS:
            resources.append(_geoparquet(connection, layer, tables, folder))
            pyogrio.write_arrow(
                _arrow(connection, layer),
                path,
                layer=layer.name,
                driver="GPKG",
                geometry_name="geometry",
                geometry_type=layer.geometry_type,
                crs=_CRS,
                append=path.exists(),
                layer_options={"IDENTIFIER": layer.name, "DESCRIPTION": _titled(layer, about)},
            )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
    title = "所有图层 / All layers: communities, streets, counties, facilities, sites of projects. GeoPackage, WGS84 (EPSG:4326)."
    return [*resources, resource(folder, GEOPACKAGE, "geopackage", title)]


def _geoparquet(
    connection: duckdb.DuckDBPyConnection, layer: Layer, tables: dict[str, Table], folder: Path
) -> Resource:
    path = f"geometry/{layer.name}.parquet"
    copy_parquet(connection, layer.query, folder / path)
    known = {c.name: c for name in reversed(layer.tables) for c in tables[name].columns}
    columns = [
        Column(name, type_.split("('OGC")[0], known[name].description if name in known else "")
        for name, type_, *_ in connection.execute(f"describe {layer.query}").fetchall()
    ]
    title = f"{layer.title}. GeoParquet, WGS84 longitude and latitude (OGC:CRS84)."
    table = Table(layer.name, title, tuple(columns), (layer.key,))
    about = resource(folder, path, f"{layer.name}_geometry", title)
    return about | {"schema": table.schema}


def _arrow(connection: duckdb.DuckDBPyConnection, layer: Layer) -> pa.Table:
    return connection.execute(
        f"select * replace (st_aswkb(geometry) as geometry) from ({layer.query}) order by {layer.key}"
    ).to_arrow_table()


def _titled(layer: Layer, about: About) -> str:
    return f"{layer.title}. {about.title.zh} / {about.title.en}, {about.version.zh} / {about.version.en}"
