with

source as (
    select * from {{ source('lake', 'project_edits') }}
),

-- a batch that was copied by hand tells nothing twice
final as (
    select distinct
        edit_id,
        project_id,
        field,
        value,
        base_value,
        edited_at,
        department,
        source,
        is_conflict
    from source
)

select * from final
