-- The communities, the streets and the counties each hold all residents and households of the city.
with

levels as (
    select
        area_level,
        sum(communities) as communities,
        sum(residents) as residents,
        sum(households) as households
    from {{ ref('areas') }}
    group by area_level
),

final as (
    select levels.*
    from levels
    cross join levels as city
    where city.area_level = 'city'
        and (
            levels.communities <> city.communities
            or levels.residents <> city.residents
            or coalesce(levels.households, -1) <> coalesce(city.households, -1)
        )
)

select * from final
