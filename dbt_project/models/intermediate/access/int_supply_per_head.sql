with

catchments as (
    select * from {{ ref('int_catchments') }}
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

-- of a facility inside another one of its kind that counts, the amount is the other one's already
measures as (
    select * from {{ ref('int_kind_measures') }}
    where
        {{ counts('facility_status') }}
        and not is_inside_counting
),

catchment_sums as (
    select
        facility_id,
        sum(target_population) as target_population,
        {{ reaches_share('sum(residents_known)', 'sum(residents)', 'indicator_min_coverage') }} as is_group_known
    from catchments
    group by facility_id
),

-- first step: what the facility has for each person in its catchment; not known where too few of them are
ratios as (
    select
        measures.facility_id,
        case
            when catchment_sums.is_group_known
                then cast(measures.amount as double) / catchment_sums.target_population
        end as amount_per_head
    from measures
    inner join catchment_sums
        on measures.facility_id = catchment_sums.facility_id
    where catchment_sums.target_population > 0
),

-- second step: each person has the ratios of all facilities in reach
final as (
    select
        community_areas.area_level,
        community_areas.area_id,
        catchments.kind_code,
        {{ exact_sum('ratios.amount_per_head * catchments.target_population') }} as supply,
        count(distinct ratios.facility_id) as facilities_in_reach,
        count(distinct case when ratios.amount_per_head is not null then ratios.facility_id end) as facilities_known
    from catchments
    inner join ratios
        on catchments.facility_id = ratios.facility_id
    inner join community_areas
        on catchments.community_id = community_areas.community_id
    where catchments.target_population > 0
    group by community_areas.area_level, community_areas.area_id, catchments.kind_code
)

select * from final
