{{ config(materialized='table') }}

with

nodes as (
    select * from {{ ref('int_index_nodes') }}
    where step = 0
),

inputs as (
    select * from {{ ref('int_index_inputs') }}
    {% if not var('index_spec', {}) -%}
    union all
    select * from {{ ref('int_earlier_inputs') }}
    {%- endif %}
),

rounded_values as (
    select
        nodes.index_code,
        nodes.node_code,
        nodes.imputation,
        nodes.transform,
        inputs.area_level,
        inputs.area_id,
        {{ rounded('inputs.value', 'nodes.value_decimals', 'nodes.rounding') }} as value
    from inputs
    inner join nodes
        on nodes.node_code = inputs.node_code
),

spans as (
    select
        index_code,
        area_level,
        node_code,
        min(value) as lowest,
        max(value) as highest,
        count(value) as units,
        {{ median('value') }} as median_value
    from rounded_values
    group by index_code, area_level, node_code
),

-- a mean by way of where the values lie in their span is exact whatever their unit
means as (
    select
        spans.index_code,
        spans.area_level,
        spans.node_code,
        spans.median_value,
        spans.lowest
        + (spans.highest - spans.lowest)
        * coalesce(
            {{ exact_sum(
                '(rounded_values.value - spans.lowest) / nullif(spans.highest - spans.lowest, 0)'
            ) }} / max(spans.units), 0
        ) as mean_value
    from rounded_values
    inner join spans
        on spans.index_code = rounded_values.index_code
            and spans.area_level = rounded_values.area_level
            and spans.node_code = rounded_values.node_code
    group by spans.index_code, spans.area_level, spans.node_code, spans.median_value, spans.lowest, spans.highest
),

imputed as (
    select
        rounded_values.*,
        coalesce(
            rounded_values.value,
            case rounded_values.imputation when 'mean' then means.mean_value when 'median' then means.median_value end
        ) as imputed_value
    from rounded_values
    inner join means
        on means.index_code = rounded_values.index_code
            and means.area_level = rounded_values.area_level
            and means.node_code = rounded_values.node_code
),

final as (
    select
        index_code,
        area_level,
        area_id,
        node_code,
        value,
        value is null and imputed_value is not null as is_imputed,
        {{ transformed('imputed_value', 'transform') }} as transformed_value
    from imputed
)

select * from final
