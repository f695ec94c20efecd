with

source as (
    select * from {{ source('lake', 'walking_edges') }}
),

lines as (
    select
        *,
        {{ geometry_from_wkb('geometry') }} as line
    from source
),

projected as (
    select
        *,
        {{ geometry_projected('line') }} as projected_line,
        {{ geometry_start('line') }} as line_start,
        {{ geometry_end('line') }} as line_end
    from lines
),

with_ends as (
    select
        *,
        {{ geometry_projected('line_start') }} as start_m,
        {{ geometry_projected('line_end') }} as end_m
    from projected
),

final as (
    select
        edge_id,
        coalesce(from_node, {{ place_code(geometry_x('line_start'), geometry_y('line_start')) }}) as from_node,
        coalesce(to_node, {{ place_code(geometry_x('line_end'), geometry_y('line_end')) }}) as to_node,
        -- nothing is nearer on foot than in a straight line
        greatest(
            coalesce(length_m, {{ geometry_length('projected_line') }}),
            {{ geometry_distance('start_m', 'end_m') }}
        ) as length_m,
        {{ geometry_x_min('projected_line') }} as x_min_m,
        {{ geometry_y_min('projected_line') }} as y_min_m,
        {{ geometry_x_max('projected_line') }} as x_max_m,
        {{ geometry_y_max('projected_line') }} as y_max_m,
        {{ geometry_wkb('projected_line') }} as line_m
    from with_ends
)

select * from final
