with

previous as (
    select * from {{ projects_before_table('pool_flows', {
        'half_year': 'varchar',
        'pool_code': 'varchar',
        'at_start': 'bigint',
        'opened': 'bigint',
        'moved_in': 'bigint',
        'moved_out': 'bigint',
        'closed_by_itself': 'bigint',
        'closed_by_project': 'bigint',
        'without_effect': 'bigint',
        'dropped': 'bigint',
        'open_at_end': 'bigint',
        'median_age_half_years': 'double',
        'edits_until': 'timestamp'
    }) }} as pool_flows
),

final as (
    select *
    from previous
)

select * from final
