with

final as (
    select
        category_code,
        community_id,
        reports,
        reports_per_1000,
        z_score,
        p_value,
        q_value,
        cluster as cluster_code,
        not_tested as not_tested_reason
    from {{ source('statistics', 'hot_spots') }}
)

select * from final
