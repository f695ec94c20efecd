with

source as (
    select * from {{ source('statistics', 'suppressed_cells') }}
),

final as (
    select
        table_name,
        item_code,
        area_level,
        area_id,
        group_code,
        suppression
    from source
)

select * from final
