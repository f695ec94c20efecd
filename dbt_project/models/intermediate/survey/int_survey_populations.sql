with

respondents as (
    select * from {{ ref('int_survey_respondents') }}
),

groups as (
    select * from {{ ref('int_survey_groups') }}
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

area_residents as (
    select
        area_level,
        area_id,
        sum(residents) as residents
    from community_areas
    group by area_level, area_id
),

-- a weight of 1 that stands for nobody else says nothing of how many there are
weighted as (
    select
        groups.community_id,
        groups.group_code,
        {{ exact_sum("case when respondents.weighting <> 'none' then groups.weight end") }} as people
    from groups
    inner join respondents
        on respondents.response_id = groups.response_id
    where groups.group_code <> 'all'
    group by groups.community_id, groups.group_code
),

final as (
    select
        area_level,
        area_id,
        'all' as group_code,
        cast(nullif(residents, 0) as double) as population
    from area_residents
    union all
    select
        community_areas.area_level,
        community_areas.area_id,
        weighted.group_code,
        {{ exact_sum("weighted.people") }} as population
    from weighted
    inner join community_areas
        on community_areas.community_id = weighted.community_id
    group by community_areas.area_level, community_areas.area_id, weighted.group_code
)

select * from final
