with

previous as (
    select * from {{ previous_release_table('survey_satisfaction', {
        'area_level': 'varchar',
        'area_id': 'varchar',
        'question_code': 'varchar',
        'group_code': 'varchar',
        'top2_pct': 'double',
        'margin_of_error_pct': 'double'
    }) }} as survey_satisfaction
),

relations as (
    select * from {{ ref('int_community_relations') }}
),

compared as (
    select count(*) as pairs
    from relations
),

same as (
    select
        'community' as area_level,
        previous_community_id,
        community_id
    from relations
    where relation in ('same', 'renamed')
),

final as (
    select
        previous.area_level,
        coalesce(same.community_id, previous.area_id) as area_id,
        previous.question_code,
        coalesce(previous.group_code, 'all') as group_code,
        previous.top2_pct as previous_top2_pct,
        previous.margin_of_error_pct as previous_margin_of_error_pct
    from previous
    cross join compared
    left join same
        on same.area_level = previous.area_level
            and same.previous_community_id = previous.area_id
    where previous.top2_pct is not null
        and (
            previous.area_level <> 'community'
            or same.community_id is not null
            -- where the previous units are not known, the codes are all there is
            or compared.pairs = 0
        )
)

select * from final
