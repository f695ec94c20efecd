with

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

community_groups as (
    select * from {{ ref('int_community_groups') }}
),

-- of a facility inside another one of its kind, the amount is the other one's already
measures as (
    select * from {{ ref('int_kind_measures') }}
    where not is_inside_another
),

indicators as (
    select * from {{ ref('indicators') }}
    where summed_measure is not null
),

indicator_kinds as (
    select * from {{ ref('indicator_kinds') }}
),

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
    where per_capita_value is not null and kind_code in {{ provided_kinds() }}
),

-- the indicator that sums the kind knows among whom, times how many, and from which level on
standards as (
    select
        facility_kinds.kind_code,
        facility_kinds.per_capita_value,
        facility_kinds.per_capita_unit,
        indicators.target_group,
        indicators.multiplier,
        indicators.level
    from facility_kinds
    inner join indicator_kinds
        on facility_kinds.kind_code = indicator_kinds.kind_code
    inner join indicators
        on indicator_kinds.indicator_code = indicators.indicator_code
    where indicator_kinds.role = 'primary'
),

community_measures as (
    select
        community_id,
        kind_code,
        sum(amount) as amount,
        count(*) as facilities,
        count(amount) as facilities_known
    from measures
    group by community_id, kind_code
),

area_sums as (
    select
        community_areas.area_level,
        community_areas.area_id,
        standards.kind_code,
        standards.per_capita_value,
        standards.per_capita_unit,
        standards.multiplier,
        cast(coalesce(sum(community_measures.amount), 0) as double) as amount,
        coalesce(sum(community_measures.facilities), 0) as facilities,
        coalesce(sum(community_measures.facilities_known), 0) as facilities_known,
        sum(community_groups.population) as population,
        {{ count_where("not community_groups.is_complete") }} = 0 as is_complete
    from community_areas
    inner join standards
        on standards.level = 'community' or community_areas.area_level in ('county', 'city')
    left join community_measures
        on
            community_areas.community_id = community_measures.community_id
            and standards.kind_code = community_measures.kind_code
    left join community_groups
        on
            community_areas.community_id = community_groups.community_id
            and standards.target_group = community_groups.group_code
    group by
        community_areas.area_level,
        community_areas.area_id,
        standards.kind_code,
        standards.per_capita_value,
        standards.per_capita_unit,
        standards.multiplier
),

final as (
    select
        area_level,
        area_id,
        kind_code,
        multiplier * amount / population as provision_value,
        per_capita_unit as provision_unit,
        per_capita_value as provision_standard,
        greatest(per_capita_value * population / multiplier - amount, 0) as provision_gap
    from area_sums
    where
        is_complete
        and population >= {{ scoring('population_n_min') }}
        and {{ reaches_share('facilities_known', 'facilities', 'known_size_min') }}
)

select * from final
