{{ config(materialized='table') }}

with

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

population_groups as (
    select * from {{ ref('population_groups') }}
),

point_groups as (
    select
        demand_points.community_id,
        population_groups.group_code,
        demand_points.residents,
        {{ population_of('population_groups.group_code', 'demand_points') }} as population
    from demand_points
    cross join population_groups
),

communities as (
    select
        community_id,
        group_code,
        cast(sum(population) as double) as population,
        count(population) as points,
        cast(sum(residents) as double) as residents,
        cast(sum(case when population is not null then residents else 0 end) as double) as residents_known
    from point_groups
    group by community_id, group_code
),

final as (
    select
        community_id,
        group_code,
        population,
        points,
        coalesce(residents_known >= {{ scoring('indicator_min_coverage') }} * residents, false) as is_known,
        coalesce(residents_known = residents, false) as is_complete
    from communities
)

select * from final
