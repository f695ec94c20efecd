{#- The formulas of the index engine; docs/index-engine.md tells each with its source. -#}

{#-
    A number rounded to so many decimals (a column; null: not at all) as it is printed: half_up, half_even or down. What
    is half in decimals (0.285 to two) is seldom half in binary, so the number is first brought to six decimals more.
-#}
{% macro rounded(number, decimals, rounding) -%}
    {%- set scaled = "round(abs(" ~ number ~ ") * power(10, " ~ decimals ~ "), 6)" -%}
    case
        when {{ decimals }} is null then {{ number }}
        else
            sign({{ number }})
            * case
                when {{ rounding }} = 'down' then floor({{ scaled }})
                when
                    {{ rounding }} = 'half_even'
                    and {{ scaled }} - floor({{ scaled }}) = 0.5
                    and cast(floor({{ scaled }}) as bigint) % 2 = 0
                    then floor({{ scaled }})
                else floor({{ scaled }} + 0.5)
            end
            / power(10, {{ decimals }})
    end
{%- endmacro %}

{#- A value, a goalpost or a target after the transformation of its node; null where there is no such logarithm or root. -#}
{% macro transformed(number, transform) -%}
    case
        when {{ transform }} in ('log', 'log10') and {{ number }} <= 0 then null
        when {{ transform }} = 'sqrt' and {{ number }} < 0 then null
        when {{ transform }} = 'log' then ln({{ number }})
        when {{ transform }} = 'log10' then log10({{ number }})
        when {{ transform }} = 'sqrt' then sqrt({{ number }})
        else {{ number }}
    end
{%- endmacro %}

{#-
    What a number is ranked by: twelve decimals of it, counted from the first digit of the largest number that it is ranked
    with. So 0.1 + 0.2 and 0.3 tie, as they do on paper, whatever binary arithmetic leaves of them and whatever the unit.
-#}
{% macro tie_key(number, largest) -%}
    case
        when {{ largest }} = 0 then {{ number }}
        else round({{ number }} / power(10, ceil(log10({{ largest }}))), 12)
    end
{%- endmacro %}

{#-
    The scores of the nodes in the CTE `valued_<step>` (index_code, area_level, area_id, node_code, value, used, is_imputed,
    available_pct, scored_weight), as CTEs up to `scored_<step>`. Needs the CTE `nodes`. Direction −1 turns the sign of what is
    used, and with it the whole scale, so each formula stands here once. What is relative is taken over the areas of one
    level: of fewer than two it gives none, and where a formula needs that they differ, none where they do not.
-#}
{% macro scored_ctes(step) -%}
{%- set over_areas = "over (partition by index_code, area_level, node_code)" -%}
signed_{{ step }} as (
    select
        valued.*,
        nodes.direction,
        nodes.normalisation,
        nodes.goalpost_low,
        nodes.goalpost_high,
        nodes.target,
        nodes.normalisation_constant,
        nodes.scale_low,
        nodes.scale_high - nodes.scale_low as scale_width,
        nodes.ties,
        nodes.rank_share,
        nodes.deviation,
        nodes.decimals,
        nodes.rounding,
        nodes.direction * valued.used as signed,
        nodes.normalisation in ('min_max', 'z_score', 'rank', 'percentile_rank', 'exponential_rank')
        or (nodes.normalisation = 'distance_to_target' and nodes.goalpost_low is null) as is_relative
    from valued_{{ step }} as valued
    inner join nodes
        on nodes.index_code = valued.index_code
            and nodes.node_code = valued.node_code
),

spanned_{{ step }} as (
    select
        *,
        count(signed) {{ over_areas }} as units,
        min(signed) {{ over_areas }} as lowest,
        max(signed) {{ over_areas }} as highest
    from signed_{{ step }}
),

-- by where it lies in the span: sums of places are exact whatever the unit
placed_{{ step }} as (
    select
        *,
        (signed - lowest) / nullif(highest - lowest, 0) as place,
        {{ tie_key('signed', 'greatest(highest, -lowest)') }} as ranked
    from spanned_{{ step }}
),

ranked_{{ step }} as (
    select
        *,
        {{ exact_sum('place', over_areas) }} as places,
        {{ exact_sum('place * place', over_areas) }} as squared_places,
        rank() over (partition by index_code, area_level, node_code, ranked is null order by ranked) as least_rank,
        count(*) over (partition by index_code, area_level, node_code, ranked) as tied_units
    from placed_{{ step }}
),

settled_{{ step }} as (
    select
        *,
        places / units as mean_place,
        sqrt(
            greatest(squared_places - places * places / units, 0)
            / nullif(units - case deviation when 'population' then 0 else 1 end, 0)
        ) as deviation_place,
        least_rank + (tied_units - 1) * case ties when 'max' then 1 when 'mean' then 0.5 else 0 end as settled_rank
    from ranked_{{ step }}
),

shared_{{ step }} as (
    select
        *,
        case rank_share
            when 'r/n' then settled_rank / cast(units as double)
            when '(r-0.5)/n' then (settled_rank - 0.5) / cast(units as double)
            when '(r-1)/n' then (settled_rank - 1) / cast(units as double)
            when 'r/(n+1)' then settled_rank / cast(units + 1 as double)
            else (settled_rank - 1) / cast(nullif(units - 1, 0) as double)
        end as share
    from settled_{{ step }}
),

normalised_{{ step }} as (
    select
        *,
        case
            when used is null or (is_relative and units < 2) then null
            when normalisation = 'goalposts'
                then
                    scale_low
                    + scale_width
                    * least(
                        greatest(
                            (signed - least(direction * goalpost_low, direction * goalpost_high))
                            / (goalpost_high - goalpost_low),
                            0
                        ),
                        1
                    )
            when normalisation = 'min_max' then scale_low + scale_width * place
            when normalisation = 'z_score'
                then scale_low + scale_width * (place - mean_place) / nullif(deviation_place, 0)
            when normalisation = 'rank' then settled_rank
            when normalisation = 'percentile_rank' then scale_low + scale_width * share
            when normalisation = 'exponential_rank'
                then
                    scale_low
                    - scale_width / 100
                    * normalisation_constant
                    * ln(1 - share * (1 - exp(-100 / normalisation_constant)))
            when normalisation = 'distance_to_target'
                then
                    scale_low
                    + scale_width
                    * (signed - coalesce(direction * goalpost_low, lowest))
                    / nullif(direction * target - coalesce(direction * goalpost_low, lowest), 0)
            else signed
        end as unrounded_score
    from shared_{{ step }}
),

scored_{{ step }} as (
    select
        index_code,
        area_level,
        area_id,
        node_code,
        value,
        is_imputed,
        {{ 'case when unrounded_score is null then 0 else 100 end as available_pct' if step == 0 else 'available_pct' }},
        scored_weight,
        unrounded_score,
        {{ rounded('unrounded_score', 'decimals', 'rounding') }} as score
    from normalised_{{ step }}
),
{%- endmacro %}
