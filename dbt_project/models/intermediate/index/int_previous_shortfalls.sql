with

previous as (
    select * from {{ previous_release_table('shortfalls', {
        'community_id': 'varchar',
        'kind_code': 'varchar',
        'first_seen_half_year': 'varchar'
    }) }} as shortfalls
),

final as (
    select
        community_id,
        kind_code,
        first_seen_half_year
    from previous
)

select * from final
