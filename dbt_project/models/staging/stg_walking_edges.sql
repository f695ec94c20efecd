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

measured as (
    select
        *,
        {{ geometry_length('projected_line') }} as drawn_m,
        {{ geometry_distance('start_m', 'end_m') }} as straight_m
    from with_ends
),

final as (
    select
        edge_id,
        coalesce(from_node, {{ place_code(geometry_x('line_start'), geometry_y('line_start')) }}) as from_node,
        coalesce(to_node, {{ place_code(geometry_x('line_end'), geometry_y('line_end')) }}) as to_node,
        -- a way is not shorter than it is drawn, but for rounding; and nothing is nearer than in a straight line
        greatest(
            case when length_m >= (1 - {{ scoring('edge_shortfall_max') }}) * drawn_m then length_m else drawn_m end,
            straight_m
        ) as length_m,
        {{ geometry_x('start_m') }} as start_x_m,
        {{ geometry_y('start_m') }} as start_y_m,
        {{ geometry_x('end_m') }} as end_x_m,
        {{ geometry_y('end_m') }} as end_y_m,
        {{ geometry_x_min('projected_line') }} as x_min_m,
        {{ geometry_y_min('projected_line') }} as y_min_m,
        {{ geometry_x_max('projected_line') }} as x_max_m,
        {{ geometry_y_max('projected_line') }} as y_max_m,
        {{ geometry_wkb('projected_line') }} as line_m
    from measured
)

select * from final
