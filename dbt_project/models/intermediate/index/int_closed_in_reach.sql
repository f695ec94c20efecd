with

search as (
    select value as limit_m
    from {{ ref('scoring') }}
    where parameter = 'access_search_limit_m'
),

neighbours as (
    select -1 as step
    union all
    select 0 as step
    union all
    select 1 as step
),

kinds as (
    select * from {{ ref('int_kinds') }}
    where is_provided
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

closed_facilities as (
    select * from {{ ref('int_facilities') }}
    where facility_status = 'closed'
),

points as (
    select
        demand_points.community_id,
        kinds.kind_code,
        case demand_points.area_type
            when 'new' then kinds.radius_new_m
            else kinds.radius_stock_m
        end as radius_m,
        demand_points.x_m,
        demand_points.y_m,
        {{ grid_cell('demand_points.x_m', 'search.limit_m') }} as cell_x,
        {{ grid_cell('demand_points.y_m', 'search.limit_m') }} as cell_y
    from demand_points
    cross join kinds
    cross join search
),

-- as in int_reach: a facility is announced in its own cell and the eight around it
announced as (
    select
        closed_facilities.kind_code,
        closed_facilities.x_m,
        closed_facilities.y_m,
        {{ grid_cell('closed_facilities.x_m', 'search.limit_m') }} + columns_around.step as cell_x,
        {{ grid_cell('closed_facilities.y_m', 'search.limit_m') }} + rows_around.step as cell_y
    from closed_facilities
    cross join search
    cross join neighbours as columns_around
    cross join neighbours as rows_around
),

distances as (
    select
        points.community_id,
        points.kind_code,
        points.radius_m,
        sqrt(
            (points.x_m - announced.x_m) * (points.x_m - announced.x_m)
            + (points.y_m - announced.y_m) * (points.y_m - announced.y_m)
        ) as distance_m
    from points
    inner join announced
        on announced.kind_code = points.kind_code
            and announced.cell_x = points.cell_x
            and announced.cell_y = points.cell_y
),

final as (
    select distinct
        community_id,
        kind_code
    from distances
    where {{ is_within('distance_m', 'radius_m') }}
)

select * from final
