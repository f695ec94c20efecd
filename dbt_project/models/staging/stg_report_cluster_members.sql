with

final as (
    select
        cluster_id,
        report_id
    from {{ source('statistics', 'report_cluster_members') }}
)

select * from final
