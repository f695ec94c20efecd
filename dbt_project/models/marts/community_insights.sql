with

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

satisfaction as (
    select * from {{ ref('survey_satisfaction') }}
    where group_code = 'all'
),

questions as (
    select * from {{ ref('survey_questions') }}
),

needs_asked as (
    select * from {{ ref('survey_needs') }}
),

needs as (
    select * from {{ ref('needs') }}
),

counties as (
    select
        community_id,
        area_id as county_id
    from community_areas
    where area_level = 'county'
),

communities as (
    select
        community_id,
        residents
    from community_areas
    where area_level = 'community'
),

people as (
    select
        community_id,
        'people' as section,
        1 as item_order,
        'residents' as item_code,
        '常住人口' as name_zh,
        'Residents' as name_en,
        cast(residents as double) as value,
        cast(null as double) as value_low,
        cast(null as double) as value_high,
        cast(null as double) as comparison,
        'persons' as unit,
        'register' as evidence,
        cast(null as varchar) as suppression
    from communities
    union all
    select
        area_id as community_id,
        'people' as section,
        2 as item_order,
        'respondents' as item_code,
        '答卷' as name_zh,
        'Answers' as name_en,
        cast(respondents as double) as value,
        cast(null as double) as value_low,
        cast(null as double) as value_high,
        cast(invited as double) as comparison,
        'persons' as unit,
        'survey' as evidence,
        cast(null as varchar) as suppression
    from {{ ref('survey_response') }}
    where area_level = 'community' and channel = 'all'
),

portrait as (
    select
        shares.area_id as community_id,
        'portrait' as section,
        shares.category_order as item_order,
        shares.category as item_code,
        characteristics.name_zh,
        characteristics.name_en,
        shares.respondents_pct as value,
        cast(null as double) as value_low,
        cast(null as double) as value_high,
        shares.register_pct as comparison,
        'pct' as unit,
        'survey' as evidence,
        shares.suppression
    from {{ ref('survey_portrait') }} as shares
    inner join {{ ref('survey_characteristics') }} as characteristics
        on characteristics.characteristic = shares.characteristic
            and characteristics.category = shares.category
    where shares.area_level = 'community'
),

answered as (
    select
        own.area_id as community_id,
        questions.module,
        questions.question_code,
        questions.dimension_code,
        questions.kind_code,
        own.top2_pct as value,
        case
            when own.top2_pct < own.margin_of_error_pct then 0 else own.top2_pct - own.margin_of_error_pct
        end as value_low,
        case
            when own.top2_pct + own.margin_of_error_pct > 100 then 100
            else own.top2_pct + own.margin_of_error_pct
        end as value_high,
        of_county.top2_pct as comparison,
        own.suppression
    from satisfaction as own
    inner join questions
        on questions.question_code = own.question_code
    inner join counties
        on counties.community_id = own.area_id
    left join satisfaction as of_county
        on of_county.area_level = 'county'
            and of_county.area_id = counties.county_id
            and of_county.question_code = own.question_code
    where own.area_level = 'community'
),

by_dimension as (
    select
        answered.community_id,
        'satisfaction' as section,
        dimensions.dimension_order as item_order,
        answered.question_code as item_code,
        dimensions.name_zh,
        dimensions.name_en,
        answered.value,
        answered.value_low,
        answered.value_high,
        answered.comparison,
        'pct' as unit,
        'survey' as evidence,
        answered.suppression
    from answered
    inner join {{ ref('dimensions') }} as dimensions
        on dimensions.dimension_code = answered.dimension_code
    where answered.module = 'QB'
),

by_kind as (
    select
        answered.community_id,
        'kinds' as section,
        row_number() over (
            partition by answered.community_id order by answered.value, answered.question_code
        ) as item_order,
        answered.question_code as item_code,
        kinds.name_zh,
        kinds.name_en,
        answered.value,
        answered.value_low,
        answered.value_high,
        answered.comparison,
        'pct' as unit,
        'survey' as evidence,
        answered.suppression
    from answered
    inner join {{ ref('facility_kinds') }} as kinds
        on kinds.kind_code = answered.kind_code
    where answered.module = 'QC' and answered.value is not null
),

ranked_needs as (
    select
        own.area_id as community_id,
        own.need_code,
        row_number() over (partition by own.area_id order by own.need_rank, own.need_code) as item_order,
        own.urgent_pct,
        own.urgent_low_pct,
        own.urgent_high_pct,
        of_county.urgent_pct as comparison
    from needs_asked as own
    inner join counties
        on counties.community_id = own.area_id
    left join needs_asked as of_county
        on of_county.area_level = 'county'
            and of_county.area_id = counties.county_id
            and of_county.need_code = own.need_code
    where own.area_level = 'community' and own.urgent_pct is not null
),

urgent as (
    select
        ranked_needs.community_id,
        'needs' as section,
        ranked_needs.item_order,
        ranked_needs.need_code as item_code,
        needs.name_zh,
        needs.name_en,
        ranked_needs.urgent_pct as value,
        ranked_needs.urgent_low_pct as value_low,
        ranked_needs.urgent_high_pct as value_high,
        ranked_needs.comparison,
        'pct' as unit,
        'survey' as evidence,
        cast(null as varchar) as suppression
    from ranked_needs
    inner join needs
        on needs.need_code = ranked_needs.need_code
),

raised as (
    select
        own.area_id as community_id,
        'meetings' as section,
        row_number() over (
            partition by own.area_id
            order by own.meetings desc, coalesce(own.meeting_supporters, 0) desc, own.need_code
        ) as item_order,
        own.need_code as item_code,
        needs.name_zh,
        needs.name_en,
        cast(own.meetings as double) as value,
        cast(null as double) as value_low,
        cast(null as double) as value_high,
        cast(own.meeting_supporters as double) as comparison,
        'meetings' as unit,
        'meetings' as evidence,
        cast(null as varchar) as suppression
    from needs_asked as own
    inner join needs
        on needs.need_code = own.need_code
    where own.area_level = 'community' and own.meetings > 0
),

-- what is within reach of the most urgent needs that facilities answer
needed_kinds as (
    select
        ranked_needs.community_id,
        need_kinds.kind_code,
        min(ranked_needs.item_order) as need_order
    from ranked_needs
    inner join {{ ref('need_kinds') }} as need_kinds
        on need_kinds.need_code = ranked_needs.need_code
    group by ranked_needs.community_id, need_kinds.kind_code
),

supply as (
    select
        needed_kinds.community_id,
        'supply' as section,
        row_number() over (
            partition by needed_kinds.community_id order by needed_kinds.need_order, needed_kinds.kind_code
        ) as item_order,
        needed_kinds.kind_code as item_code,
        kinds.name_zh,
        kinds.name_en,
        reached.covered_pct as value,
        cast(null as double) as value_low,
        cast(null as double) as value_high,
        of_county.covered_pct as comparison,
        'pct' as unit,
        'facilities' as evidence,
        cast(null as varchar) as suppression
    from needed_kinds
    inner join counties
        on counties.community_id = needed_kinds.community_id
    inner join {{ ref('facility_kinds') }} as kinds
        on kinds.kind_code = needed_kinds.kind_code
    left join {{ ref('kind_access') }} as reached
        on reached.area_level = 'community'
            and reached.area_id = needed_kinds.community_id
            and reached.kind_code = needed_kinds.kind_code
    left join {{ ref('kind_access') }} as of_county
        on of_county.area_level = 'county'
            and of_county.area_id = counties.county_id
            and of_county.kind_code = needed_kinds.kind_code
),

items as (
    select * from people
    union all
    select * from portrait
    union all
    select * from by_dimension
    union all
    select * from by_kind
    union all
    select * from urgent
    union all
    select * from raised
    union all
    select * from supply
),

final as (
    select
        community_id,
        section,
        cast(item_order as bigint) as item_order,
        item_code,
        name_zh,
        name_en,
        value,
        value_low,
        value_high,
        comparison,
        unit,
        evidence,
        {{ obs_status('value', suppression='suppression') }} as obs_status,
        {{ conf_status('suppression') }} as conf_status
    from items
)

select * from final
order by community_id, section, item_order, item_code
