with

communities as (
    select * from {{ ref('stg_communities') }}
),

indicators as (
    select * from {{ ref('int_indicators') }}
    where family = 'figures'
),

figures as (
    select * from {{ ref('stg_local_figures') }}
),

figures_there as (
    select distinct unit_level, figure_code
    from figures
),

units as (
    select
        'community' as unit_level,
        community_id as unit_id,
        community_id
    from communities
    union all
    select
        'estate' as unit_level,
        point_id as unit_id,
        community_id
    from {{ ref('int_point_communities') }}
    where point_type = 'estate'
),

-- without a denominator of its own a unit counts as one; a unit is known if both of its figures are
unit_figures as (
    select
        units.community_id,
        indicators.indicator_code,
        case
            when indicators.counted_from is null then numerators.value
            when numerators.value >= indicators.counted_from then 1
            when numerators.value is not null then 0
        end as numerator,
        case when indicators.denominator_figure is null then 1 else denominators.value end as denominator
    from indicators
    inner join units
        on units.unit_level = indicators.figure_level
    left join figures as numerators
        on numerators.unit_level = units.unit_level
            and numerators.unit_id = units.unit_id
            and numerators.figure_code = indicators.numerator_figure
    left join figures as denominators
        on denominators.unit_level = units.unit_level
            and denominators.unit_id = units.unit_id
            and denominators.figure_code = indicators.denominator_figure
),

sums as (
    select
        community_id,
        indicator_code,
        {{ exact_sum("case when denominator is not null then numerator end") }} as numerator,
        {{ exact_sum("case when numerator is not null then denominator end") }} as denominator,
        count(*) as units,
        {{ count_where("numerator is not null and denominator is not null") }} as units_known
    from unit_figures
    group by community_id, indicator_code
),

final as (
    select
        communities.community_id,
        indicators.indicator_code,
        coalesce(sums.numerator, 0) as numerator,
        sums.denominator,
        coalesce(sums.units_known, 0) as n_observations,
        case
            when figures_there.figure_code is null then 'feed_missing'
            when not {{ reaches_share('sums.units_known', 'sums.units', 'indicator_min_coverage') }}
                then 'coverage_below_minimum'
        end as missing_reason
    from communities
    cross join indicators
    left join figures_there
        on figures_there.unit_level = indicators.figure_level
            and figures_there.figure_code = indicators.numerator_figure
    left join sums
        on sums.community_id = communities.community_id
            and sums.indicator_code = indicators.indicator_code
)

select * from final
