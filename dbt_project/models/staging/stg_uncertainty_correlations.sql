with

source as (
    select * from {{ source('uncertainty', 'correlations') }}
),

final as (
    select
        node_a,
        node_b,
        n,
        pearson,
        spearman,
        finding
    from source
)

select * from final
