-- The mart of access has its columns for the radius of each tier of the standard.
with

radii_written as (
    {%- for radius_m in tier_radii_m() %}
    select {{ radius_m }} as radius_m
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

tiers as (
    select distinct radius_m
    from {{ ref('tiers') }}
),

final as (
    select
        radii_written.radius_m as written_m,
        tiers.radius_m as in_standard_m
    from radii_written
    full outer join tiers
        on radii_written.radius_m = tiers.radius_m
    where radii_written.radius_m is null or tiers.radius_m is null
)

select * from final
