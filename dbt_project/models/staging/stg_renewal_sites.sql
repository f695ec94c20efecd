with

source as (
    select * from {{ source('renewal', 'sites') }}
),

final as (
    select
        candidate_id,
        site_id,
        site_type,
        lon,
        lat,
        size_m2,
        predicted_covered_population,
        predicted_covered_in_community,
        sites_considered
    from source
)

select * from final
