with

source as (
    select * from {{ source('access', 'fragments') }}
),

edges as (
    select
        *,
        {{ geometry_unprojected(geometry_point('(x_min_m + x_max_m) / 2', '(y_min_m + y_max_m) / 2')) }} as middle
    from {{ ref('stg_walking_edges') }}
),

final as (
    select
        source.edge_id,
        source.edges,
        source.length_m,
        {{ geometry_x('edges.middle') }} as lon,
        {{ geometry_y('edges.middle') }} as lat,
        source.is_usable
    from source
    inner join edges
        on source.edge_id = edges.edge_id
)

select * from final
