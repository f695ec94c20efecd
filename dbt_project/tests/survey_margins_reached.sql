-- Weights that do not reach a margin of the register, because margins exclude one another, categories were merged or
-- weights were limited: told, with what was reached.
{{ config(severity='warn') }}

with

margins as (
    select * from {{ ref('stg_survey_margins') }}
),

wholes as (
    select
        county_id,
        characteristic,
        {{ exact_sum("people") }} as people
    from margins
    group by county_id, characteristic
),

final as (
    select margins.*
    from margins
    inner join wholes
        on wholes.characteristic = margins.characteristic
            and coalesce(wholes.county_id, '') = coalesce(margins.county_id, '')
    where abs(margins.weighted - margins.people) > {{ scoring('margin_disagreement_max') }} * wholes.people
)

select * from final
