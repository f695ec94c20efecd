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

demand as (
    select
        demand_points.building_id,
        demand_points.x_m,
        demand_points.y_m,
        search.limit_m,
        {{ grid_cell('demand_points.x_m', 'search.limit_m') }} as cell_x,
        {{ grid_cell('demand_points.y_m', 'search.limit_m') }} as cell_y
    from {{ ref('int_demand_points') }} as demand_points
    cross join search
),

-- a facility is announced in its own cell and the eight around it: whoever is near finds it in one cell
facilities as (
    select
        operating.facility_id,
        operating.kind_code,
        operating.subtype,
        operating.facility_status,
        operating.x_m,
        operating.y_m,
        {{ grid_cell('operating.x_m', 'search.limit_m') }} + columns_around.step as cell_x,
        {{ grid_cell('operating.y_m', 'search.limit_m') }} + rows_around.step as cell_y
    from {{ ref('int_facilities') }} as operating
    cross join search
    cross join neighbours as columns_around
    cross join neighbours as rows_around
    where operating.operating_status = 'operating'
),

candidates as (
    select
        demand.building_id,
        facilities.facility_id,
        facilities.kind_code,
        facilities.subtype,
        facilities.facility_status,
        demand.limit_m,
        (demand.x_m - facilities.x_m) * (demand.x_m - facilities.x_m)
        + (demand.y_m - facilities.y_m) * (demand.y_m - facilities.y_m) as squared_distance_m2
    from demand
    inner join facilities
        on
            demand.cell_x = facilities.cell_x
            and demand.cell_y = facilities.cell_y
),

final as (
    select
        building_id,
        facility_id,
        kind_code,
        subtype,
        facility_status,
        sqrt(squared_distance_m2) as distance_m
    from candidates
    where squared_distance_m2 <= limit_m * limit_m
)

select * from final
