with

kind_access as (
    select * from {{ earlier_release_tables('kind_access', {
        'area_level': 'varchar',
        'area_id': 'varchar',
        'kind_code': 'varchar',
        'covered_population': 'bigint'
    }) }} as kind_access
),

earlier_communities as (
    select * from {{ ref('int_earlier_communities') }}
    where community_id is not null
),

final as (
    select
        kind_access.half_year,
        earlier_communities.community_id,
        kind_access.kind_code,
        kind_access.covered_population
    from kind_access
    inner join earlier_communities
        on earlier_communities.half_year = kind_access.half_year
            and earlier_communities.earlier_community_id = kind_access.area_id
    where kind_access.area_level = 'community'
)

select * from final
