with

projects as (
    select * from {{ released_projects({
        'project_id': 'varchar',
        'candidate_id': 'varchar',
        'status_code': 'varchar',
        'kind_code': 'varchar',
        'scale_code': 'varchar',
        'refresh_code': 'varchar',
        'predicted_covered_in_community': 'bigint',
        'predicted_community_points': 'double'
    }) }} as projects
),

final as (
    select
        half_year,
        project_id,
        candidate_id,
        status_code,
        kind_code,
        scale_code,
        refresh_code,
        predicted_covered_in_community,
        predicted_community_points
    from projects
)

select * from final
