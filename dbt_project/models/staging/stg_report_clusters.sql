with

final as (
    select
        cluster_id,
        category_code,
        community_id,
        reports,
        months,
        x_m,
        y_m,
        problem_id
    from {{ source('statistics', 'report_clusters') }}
)

select * from final
