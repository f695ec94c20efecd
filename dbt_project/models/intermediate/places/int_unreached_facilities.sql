{#- Two points of a cell are never farther apart than the limit: 1.5 is more than the square root of 2. So whoever is
    within the limit is at most two cells away. -#}
{%- set cell_size_m = scoring('access_search_limit_m') ~ ' / 1.5' -%}

with

facilities as (
    select
        *,
        {{ grid_cell('x_m', cell_size_m) }} as cell_x,
        {{ grid_cell('y_m', cell_size_m) }} as cell_y
    from {{ ref('int_facilities') }}
),

inhabited_points as (
    select
        x_m,
        y_m,
        {{ grid_cell('x_m', cell_size_m) }} as cell_x,
        {{ grid_cell('y_m', cell_size_m) }} as cell_y
    from {{ ref('int_demand_points') }}
    where residents > 0
),

inhabited_cells as (
    select distinct
        cell_x,
        cell_y
    from inhabited_points
),

-- nearly every facility has somebody in its own cell, and needs no distances
in_uninhabited_cells as (
    select facilities.*
    from facilities
    left join inhabited_cells
        on facilities.cell_x = inhabited_cells.cell_x and facilities.cell_y = inhabited_cells.cell_y
    where inhabited_cells.cell_x is null
        and exists (select 1 from inhabited_points)
),

steps as (
    select
        step_x.step as step_x,
        step_y.step as step_y
    from (values (-2), (-1), (0), (1), (2)) as step_x (step)
    cross join (values (-2), (-1), (0), (1), (2)) as step_y (step)
),

searched_cells as (
    select
        in_uninhabited_cells.facility_id,
        in_uninhabited_cells.x_m,
        in_uninhabited_cells.y_m,
        in_uninhabited_cells.cell_x + steps.step_x as cell_x,
        in_uninhabited_cells.cell_y + steps.step_y as cell_y
    from in_uninhabited_cells
    cross join steps
),

distances as (
    select
        searched_cells.facility_id,
        sqrt(
            power(searched_cells.x_m - inhabited_points.x_m, 2)
            + power(searched_cells.y_m - inhabited_points.y_m, 2)
        ) as distance_m
    from searched_cells
    inner join inhabited_points
        on searched_cells.cell_x = inhabited_points.cell_x and searched_cells.cell_y = inhabited_points.cell_y
),

in_reach as (
    select distinct facility_id
    from distances
    where {{ is_within('distance_m', scoring('access_search_limit_m')) }}
),

final as (
    select in_uninhabited_cells.facility_id
    from in_uninhabited_cells
    left join in_reach
        on in_uninhabited_cells.facility_id = in_reach.facility_id
    where in_reach.facility_id is null
)

select * from final
