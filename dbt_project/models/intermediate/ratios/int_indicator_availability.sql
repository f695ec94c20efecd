with

communities as (
    select * from {{ ref('stg_communities') }}
),

kinds as (
    select * from {{ ref('int_kinds') }}
),

-- estates tell of their e-bike charging themselves, so CNV-3 does not need the register of facilities
indicator_kinds as (
    select * from {{ ref('indicator_kinds') }}
    where indicator_code <> 'CNV-3'
),

operating as (
    select * from {{ ref('int_facilities') }}
    where operating_status = 'operating'
),

counties as (
    select distinct county_id
    from communities
),

known_sizes as (
    select
        county_id,
        kind_code,
        {{ count_where("facility_status <> 'unverified'") }}
        >= {{ scoring('known_size_min') }} * count(*) as is_size_known
    from operating
    group by county_id, kind_code
),

final as (
    select
        counties.county_id,
        indicator_kinds.indicator_code,
        {{ count_where("not kinds.is_provided") }} = 0 as is_surveyed,
        {{ count_where("known_sizes.is_size_known is false") }} = 0 as is_size_known
    from counties
    cross join indicator_kinds
    inner join kinds
        on indicator_kinds.kind_code = kinds.kind_code
    left join known_sizes
        on
            counties.county_id = known_sizes.county_id
            and indicator_kinds.kind_code = known_sizes.kind_code
    group by counties.county_id, indicator_kinds.indicator_code
)

select * from final
