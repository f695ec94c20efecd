{{ config(materialized='table') }}

with

previous as (
    select * from {{ projects_before_table('projects', project_columns()) }} as projects
    where {{ is_open_status('status_code') }}
),

final as (
    select *
    from previous
)

select * from final
