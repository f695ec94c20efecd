{#- No finding is one with which nothing may be published. Stops with the findings' codes and ids instead of their number. -#}
{% test no_finding_of_severity_error(model) %}
with

errors as (
    select findings.*
    from {{ model }} as findings
    inner join {{ ref('spatial_checks') }} as spatial_checks
        on findings.finding_code = spatial_checks.finding_code
    where spatial_checks.severity = 'error'
),

told as (
    select
        string_agg(
            concat(finding_code, ' ', subject_id, coalesce(concat(' and ', other_id), '')), '; '
            order by finding_code, subject_id, other_id
        ) as findings
    from errors
)

-- dbt only counts the rows, so that a column of theirs would never be computed
select findings
from told
where case when findings is not null then {{ stop_with('findings') }} else false end
{% endtest %}
