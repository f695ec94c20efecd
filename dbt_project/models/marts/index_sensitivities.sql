with

sensitivities as (
    select * from {{ ref('stg_uncertainty_sensitivities') }}
),

assumptions as (
    select distinct
        assumption,
        name_zh,
        name_en
    from {{ ref('uncertainty') }}
),

final as (
    select
        sensitivities.output,
        sensitivities.assumption,
        assumptions.name_zh,
        assumptions.name_en,
        sensitivities.first_order,
        sensitivities.first_order_low,
        sensitivities.first_order_high,
        sensitivities.total,
        sensitivities.total_low,
        sensitivities.total_high,
        {{ obs_status('sensitivities.first_order', is_estimated='true') }} as obs_status,
        {{ conf_status() }} as conf_status
    from sensitivities
    inner join assumptions
        on sensitivities.assumption = assumptions.assumption
)

select * from final
order by output, assumption
