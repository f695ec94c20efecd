with

clocks as (
    select report_id, community_id
    from {{ ref('int_repair_clocks') }}
),

stated_counties as (
    select report_id, stated_county_name
    from {{ ref('stg_repair_reports') }}
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

areas as (
    select * from {{ ref('areas') }}
),

-- a report without a known place still belongs to the county that it names, and to the city
unlocated as (
    select
        clocks.report_id,
        stated_counties.stated_county_name
    from clocks
    inner join stated_counties
        on stated_counties.report_id = clocks.report_id
    left join areas as communities
        on communities.area_level = 'community'
            and communities.area_id = clocks.community_id
    where communities.area_id is null
),

final as (
    select
        clocks.report_id,
        community_areas.area_level,
        community_areas.area_id,
        true as is_located
    from clocks
    inner join community_areas
        on community_areas.community_id = clocks.community_id
    union all
    select
        unlocated.report_id,
        counties.area_level,
        counties.area_id,
        false as is_located
    from unlocated
    inner join areas as counties
        on counties.area_level = 'county'
            and counties.area_name = unlocated.stated_county_name
    union all
    select
        unlocated.report_id,
        cities.area_level,
        cities.area_id,
        false as is_located
    from unlocated
    inner join areas as cities
        on cities.area_level = 'city'
)

select * from final
