with

releases as (
    select * from {{ known_releases() }} as known_releases
),

wanted as (
    select
        'previous' as comparison,
        '{{ var("previous_half_year") }}' as half_year
    union all
    select
        'year_ago' as comparison,
        '{{ var("year_ago_half_year") }}' as half_year
),

final as (
    select
        wanted.comparison,
        wanted.half_year,
        releases.standard_version,
        releases.period_end,
        case
            when releases.half_year is null then 'not_released'
            when releases.reason <> '' then releases.reason
        end as reason_code
    from wanted
    left join releases
        on releases.half_year = wanted.half_year
)

select * from final
