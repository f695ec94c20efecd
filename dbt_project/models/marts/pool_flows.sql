{%- set counts = [
    'at_start', 'opened', 'moved_in', 'moved_out', 'closed_by_itself', 'closed_by_project', 'without_effect', 'dropped',
    'open_at_end'
] -%}
{%- set this_half_year = half_year_number("'" ~ var('half_year') ~ "'") -%}

with

states as (
    select * from {{ ref('int_project_states') }}
),

previous_pool_flows as (
    select * from {{ ref('int_previous_pool_flows') }}
),

pools as (
    select * from {{ ref('renewal_pools') }}
),

judged as (
    select
        *,
        refresh_code in ('new', 'still_open') as is_open,
        previous_pool_code is null as is_new,
        coalesce(previous_pool_code, pool_code) as from_pool_code,
        {{ this_half_year }} - {{ half_year_number('opened_half_year') }} as age_half_years
    from states
),

-- a project leaves the pool that it was in, and a new one is in the pool that it gets
entered as (
    select
        pool_code,
        {{ count_where('is_new') }} as opened,
        {{ count_where('not is_new and is_open and pool_code <> from_pool_code') }} as moved_in,
        {{ count_where('is_open') }} as open_at_end,
        {{ median('case when is_open then age_half_years end') }} as median_age_half_years
    from judged
    group by pool_code
),

left_pool as (
    select
        from_pool_code as pool_code,
        {{ count_where('not is_new') }} as at_start,
        {{ count_where('not is_new and is_open and pool_code <> from_pool_code') }} as moved_out,
        {{ count_where("refresh_code = 'closed_by_itself'") }} as closed_by_itself,
        {{ count_where("refresh_code = 'closed_by_project'") }} as closed_by_project,
        {{ count_where("refresh_code = 'without_effect'") }} as without_effect,
        {{ count_where("refresh_code = 'dropped'") }} as dropped
    from judged
    group by from_pool_code
),

this_release as (
    select
        '{{ var("half_year") }}' as half_year,
        pools.pool_code,
        {%- for count in counts %}
        cast(coalesce({{ 'entered' if count in ('opened', 'moved_in', 'open_at_end') else 'left_pool' }}.{{ count }}, 0) as bigint)
            as {{ count }},
        {%- endfor %}
        cast(entered.median_age_half_years as double) as median_age_half_years,
        {{ utc_var('cut_off') }} as edits_until
    from pools
    left join entered
        on entered.pool_code = pools.pool_code
    left join left_pool
        on left_pool.pool_code = pools.pool_code
),

together as (
    select *
    from this_release
    union all
    select
        half_year,
        pool_code,
        {%- for count in counts %}
        {{ count }},
        {%- endfor %}
        median_age_half_years,
        edits_until
    from previous_pool_flows
    where half_year < '{{ var("half_year") }}'
        and {{ half_year_number('half_year') }} + {{ renewal_limit('pool_half_years') }} > {{ this_half_year }}
),

windowed as (
    select
        *,
        count(*) over so_far as half_years_known,
        first_value(at_start) over so_far + sum(opened + moved_in) over so_far as held,
        sum(moved_out + closed_by_itself + closed_by_project + without_effect + dropped) over so_far as gone
    from together
    window so_far as (partition by pool_code order by half_year rows between unbounded preceding and current row)
),

final as (
    select
        half_year,
        pool_code,
        {%- for count in counts %}
        {{ count }},
        {%- endfor %}
        median_age_half_years,
        100.0 * gone / nullif(held, 0) as drained_pct,
        half_years_known >= {{ renewal_limit('never_drains_half_years_min') }}
        and held > 0
        and gone <= {{ renewal_limit('never_drains_max') }} * held as never_drains,
        edits_until
    from windowed
)

select * from final
order by half_year, pool_code
