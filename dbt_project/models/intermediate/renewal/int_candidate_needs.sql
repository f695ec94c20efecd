with

survey_needs as (
    select * from {{ ref('survey_needs') }}
    where important_pct is not null
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

subject_needs as (
    select
        kind_code as subject_code,
        need_code
    from {{ ref('need_kinds') }}
    union all
    select
        category_code as subject_code,
        need_code
    from {{ ref('renewal_categories') }}
    where need_code is not null
),

important as (
    select
        community_areas.community_id,
        community_areas.area_level,
        subject_needs.subject_code,
        max(survey_needs.important_pct) as important_pct
    from survey_needs
    inner join community_areas
        on
            survey_needs.area_level = community_areas.area_level
            and survey_needs.area_id = community_areas.area_id
    inner join subject_needs
        on survey_needs.need_code = subject_needs.need_code
    group by community_areas.community_id, community_areas.area_level, subject_needs.subject_code
),

-- where the community's own answers are kept back, those of the next larger area
final as (
    select
        community_id,
        subject_code,
        coalesce(
            max(case when area_level = 'community' then important_pct end),
            max(case when area_level = 'street' then important_pct end),
            max(case when area_level = 'county' then important_pct end),
            max(case when area_level = 'city' then important_pct end)
        ) as important_pct
    from important
    group by community_id, subject_code
)

select * from final
