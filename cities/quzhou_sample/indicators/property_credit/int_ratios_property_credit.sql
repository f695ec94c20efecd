with

communities as (
    select * from {{ ref('stg_communities') }}
),

figures as (
    select * from {{ ref('stg_local_figures') }}
    where unit_level = 'estate'
),

indicators as (
    select 'QZ-3' as indicator_code, 'property_credit_points' as figure_code
    union all
    select 'QZ-4' as indicator_code, 'property_credit_is_a_or_b' as figure_code
),

figures_there as (
    select distinct figure_code
    from figures
),

-- estates that their owners manage, or nobody, have no company to rate
served_estates as (
    select
        estate_communities.community_id,
        estates.estate_id,
        estates.dwellings
    from {{ ref('stg_estates') }} as estates
    inner join {{ ref('int_point_communities') }} as estate_communities
        on estate_communities.point_type = 'estate'
            and estate_communities.point_id = estates.estate_id
    where estates.property_service_model in ('professional', 'community_trustee')
),

sums as (
    select
        served_estates.community_id,
        indicators.indicator_code,
        {{ exact_sum('figures.value * served_estates.dwellings') }} as numerator,
        sum(served_estates.dwellings) as dwellings,
        sum(case when figures.value is not null then served_estates.dwellings else 0 end) as dwellings_rated,
        count(figures.value) as estates_rated
    from served_estates
    cross join indicators
    left join figures
        on figures.unit_id = served_estates.estate_id
            and figures.figure_code = indicators.figure_code
    group by served_estates.community_id, indicators.indicator_code
),

final as (
    select
        communities.community_id,
        indicators.indicator_code,
        sums.numerator,
        cast(sums.dwellings_rated as double) as denominator,
        coalesce(sums.estates_rated, 0) as n_observations,
        case
            when figures_there.figure_code is null then 'feed_missing'
            when not {{ reaches_share('sums.dwellings_rated', 'sums.dwellings', 'indicator_min_coverage') }}
                then 'coverage_below_minimum'
        end as missing_reason
    from communities
    cross join indicators
    left join figures_there
        on figures_there.figure_code = indicators.figure_code
    left join sums
        on sums.community_id = communities.community_id
            and sums.indicator_code = indicators.indicator_code
)

select * from final
