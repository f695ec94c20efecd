with

estates as (
    select * from {{ ref('stg_estates') }}
),

estate_communities as (
    select
        point_id as estate_id,
        community_id
    from {{ ref('int_point_communities') }}
    where point_type = 'estate'
),

communities as (
    select * from {{ ref('stg_communities') }}
),

final as (
    select
        estates.estate_id,
        estates.estate_name,
        communities.community_id,
        communities.street_id,
        communities.county_id,
        estates.lon,
        estates.lat,
        estates.x_m,
        estates.y_m,
        estates.dwellings,
        estates.property_service_model,
        estates.has_ebike_charging
    from estates
    left join estate_communities
        on estates.estate_id = estate_communities.estate_id
    left join communities
        on estate_communities.community_id = communities.community_id
)

select * from final
order by estate_id
