{#- A table, and without a condition on the codes: with one DuckDB compares all pairs instead of those whose boxes meet. -#}
{{ config(materialized='table') }}

with

communities as (
    select * from {{ ref('stg_communities') }}
),

final as (
    select
        communities.community_id,
        others.community_id as other_community_id
    from communities
    inner join communities as others
        on {{ geometry_intersects('communities.geometry', 'others.geometry') }}
)

select * from final
