with

said as (
    select * from {{ ref('int_survey_characteristics') }}
),

margins as (
    select * from {{ ref('stg_population_margins') }}
),

characteristics as (
    select * from {{ ref('survey_characteristics') }}
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

suppressed_cells as (
    select * from {{ ref('stg_suppressed_cells') }}
    where table_name = 'survey_portrait'
),

feed as (
    select
        (select count(*) from {{ ref('stg_survey_responses') }}) > 0
        or (select count(*) from margins) > 0 as has_rows
),

areas as (
    select distinct
        area_level,
        area_id
    from community_areas
),

answered as (
    select
        community_areas.area_level,
        community_areas.area_id,
        said.characteristic,
        said.category,
        count(*) as respondents,
        {{ count_where("said.weighting = 'raked'") }} as raked,
        {{ exact_sum("said.weight") }} as weight
    from said
    inner join community_areas
        on community_areas.community_id = said.community_id
    group by community_areas.area_level, community_areas.area_id, said.characteristic, said.category
),

known as (
    select distinct
        community_id,
        characteristic
    from margins
    where community_id is not null
),

listed as (
    select distinct characteristic
    from characteristics
),

-- an area's register is known when that of enough of its residents is
coverage as (
    select
        community_areas.area_level,
        community_areas.area_id,
        listed.characteristic,
        count(known.community_id) > 0
        and {{ reaches_share(
            "sum(case when known.community_id is not null then community_areas.residents else 0 end)",
            "sum(community_areas.residents)",
            'indicator_min_coverage'
        ) }} as is_known
    from community_areas
    cross join listed
    left join known
        on known.community_id = community_areas.community_id
            and known.characteristic = listed.characteristic
    group by community_areas.area_level, community_areas.area_id, listed.characteristic
),

of_communities as (
    select
        community_areas.area_level,
        community_areas.area_id,
        margins.characteristic,
        margins.category,
        {{ exact_sum("margins.people") }} as people
    from margins
    inner join community_areas
        on community_areas.community_id = margins.community_id
    group by community_areas.area_level, community_areas.area_id, margins.characteristic, margins.category
),

of_the_city as (
    select
        'city' as area_level,
        characteristic,
        category,
        people
    from margins
    where community_id is null
),

cells as (
    select
        areas.area_level,
        areas.area_id,
        characteristics.characteristic,
        characteristics.category,
        characteristics.category_order,
        coalesce(answered.respondents, 0) as respondents,
        coalesce({{ rounded_count('answered.respondents') }}, 0) as rounded_respondents,
        coalesce(answered.raked, 0) as raked,
        coalesce(answered.weight, 0) as weight,
        coalesce(
            of_the_city.people,
            case when coverage.is_known then coalesce(of_communities.people, 0) end
        ) as people
    from areas
    cross join characteristics
    cross join feed
    left join answered
        on answered.area_level = areas.area_level
            and answered.area_id = areas.area_id
            and answered.characteristic = characteristics.characteristic
            and answered.category = characteristics.category
    left join coverage
        on coverage.area_level = areas.area_level
            and coverage.area_id = areas.area_id
            and coverage.characteristic = characteristics.characteristic
    left join of_communities
        on of_communities.area_level = areas.area_level
            and of_communities.area_id = areas.area_id
            and of_communities.characteristic = characteristics.characteristic
            and of_communities.category = characteristics.category
    left join of_the_city
        on of_the_city.area_level = areas.area_level
            and of_the_city.characteristic = characteristics.characteristic
            and of_the_city.category = characteristics.category
    where feed.has_rows
),

wholes as (
    select
        area_level,
        area_id,
        characteristic,
        sum(respondents) as all_respondents,
        sum(rounded_respondents) as all_rounded,
        sum(raked) as all_raked,
        {{ exact_sum("weight") }} as all_weight,
        {{ exact_sum("people") }} as all_people
    from cells
    group by area_level, area_id, characteristic
),

-- shares are those of rounded counts, which they would otherwise give back; so would weights that are all alike
shares as (
    select
        cells.*,
        wholes.all_respondents,
        wholes.all_rounded,
        {{ suppression('suppressed_cells.suppression', 'wholes.all_respondents', 'survey_n_min') }} as suppression,
        100.0 * cells.people / nullif(wholes.all_people, 0) as register_pct,
        100.0 * cells.rounded_respondents / nullif(wholes.all_rounded, 0) as respondents_pct,
        case
            when cells.area_level = 'community' and wholes.all_raked < wholes.all_respondents
                then 100.0 * cells.rounded_respondents / nullif(wholes.all_rounded, 0)
            else 100.0 * cells.weight / nullif(wholes.all_weight, 0)
        end as weighted_pct
    from cells
    inner join wholes
        on wholes.area_level = cells.area_level
            and wholes.area_id = cells.area_id
            and wholes.characteristic = cells.characteristic
    left join suppressed_cells
        on suppressed_cells.area_level = cells.area_level
            and suppressed_cells.area_id = cells.area_id
            and suppressed_cells.item_code = cells.characteristic
),

final as (
    select
        area_level,
        area_id,
        characteristic,
        category,
        category_order,
        people as register_people,
        register_pct,
        case when suppression is null then cast(all_rounded as bigint) end as respondents,
        case when suppression is null then round(respondents_pct, 1) end as respondents_pct,
        case when suppression is null then round(weighted_pct, 1) end as weighted_pct,
        case when suppression is null then round(respondents_pct - register_pct, 1) end as difference_points,
        case when suppression is null then round(weighted_pct - register_pct, 1) end as weighted_difference_points,
        suppression is not null as is_suppressed,
        suppression,
        {{ obs_status('case when suppression is null then respondents_pct end', suppression='suppression') }}
            as obs_status,
        {{ conf_status('suppression') }} as conf_status
    from shares
)

select * from final
order by area_level, area_id, category_order
