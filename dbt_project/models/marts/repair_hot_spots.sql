with

hot_spots as (
    select * from {{ ref('stg_hot_spots') }}
),

communities as (
    select * from {{ ref('stg_communities') }}
),

final as (
    select
        hot_spots.category_code,
        hot_spots.community_id,
        communities.community_name,
        communities.county_id,
        {{ rounded_count('hot_spots.reports') }} as reports,
        -- what is exact of all communities together gives their counts back
        cast(
            round(
                hot_spots.reports_per_1000
                * coalesce({{ rounded_count('hot_spots.reports') }} / nullif(hot_spots.reports, 0), 1),
                2
            ) as double
        ) as reports_per_1000,
        cast(round(hot_spots.z_score, 2) as double) as z_score,
        cast(hot_spots.p_value as double) as p_value,
        cast(hot_spots.q_value as double) as q_value,
        hot_spots.cluster_code,
        hot_spots.not_tested_reason,
        {{ obs_status('hot_spots.reports') }} as obs_status,
        {{ conf_status() }} as conf_status
    from hot_spots
    inner join communities
        on communities.community_id = hot_spots.community_id
)

select * from final
order by category_code, community_id
