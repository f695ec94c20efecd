-- The people of two characteristics of one area are the same people: sums that differ are scaled to one another, and
-- told.
{{ config(severity='warn') }}

with

margins as (
    select * from {{ ref('stg_population_margins') }}
),

wholes as (
    select
        community_id,
        characteristic,
        {{ exact_sum("people") }} as people
    from margins
    group by community_id, characteristic
),

final as (
    select
        community_id,
        min(people) as people_min,
        max(people) as people_max
    from wholes
    group by community_id
    having max(people) > (1 + {{ scoring('margin_disagreement_max') }}) * min(people)
)

select * from final
