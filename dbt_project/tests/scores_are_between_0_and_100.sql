with

scores as (
    select area_level, area_id, indicator_code as part, score
    from {{ ref('indicator_values') }}
    union all
    select area_level, area_id, dimension_code as part, score
    from {{ ref('dimension_scores') }}
    {%- for column in [
        'index_score',
        'index_score_equal_weights',
        'index_score_geometric',
        'worst_tenth_score',
        'communities_below_60_pct'
    ] %}
    union all
    select area_level, area_id, '{{ column }}' as part, {{ column }} as score
    from {{ ref('index_scores') }}
    {%- endfor %}
),

final as (
    select * from scores
    where score < 0 or score > 100.000000001
)

select * from final
