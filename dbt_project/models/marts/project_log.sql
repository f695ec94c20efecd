with

states as (
    select * from {{ ref('int_project_states') }}
),

edits as (
    select * from {{ ref('int_project_edits') }}
    where is_new or outcome = 'conflict'
),

earlier_projects as (
    select * from {{ ref('int_earlier_projects') }}
),

-- a need that was there before: the project that it had then
before as (
    select
        states.project_id,
        max(earlier_projects.project_id) as earlier_project_id
    from states
    inner join earlier_projects
        on earlier_projects.candidate_id = states.candidate_id
            and earlier_projects.project_id <> states.project_id
    where states.refresh_code = 'new'
    group by states.project_id
),

by_release as (
    select
        states.project_id || '/refresh' as event_id,
        states.project_id,
        'refresh' as event_code,
        states.refresh_code,
        'refresh_code' as field,
        before.earlier_project_id as from_value,
        states.refresh_code as to_value,
        cast(null as varchar) as department,
        cast(null as varchar) as source,
        cast(null as timestamp) as edited_at,
        cast(null as varchar) as rule_code
    from states
    left join before
        on before.project_id = states.project_id
    {%- for column, event in {'status_code': 'status', 'pool_code': 'pool'}.items() %}
    union all
    select
        project_id || '/{{ event }}' as event_id,
        project_id,
        '{{ event }}' as event_code,
        refresh_code,
        '{{ column }}' as field,
        coalesce(previous_{{ column }}, decided_{{ column }}) as from_value,
        {{ column }} as to_value,
        null as department,
        null as source,
        null as edited_at,
        case when {{ column }} <> decided_{{ column }} then rule_code end as rule_code
    from states
    where coalesce(previous_{{ column }}, decided_{{ column }}) <> {{ column }}
    {%- endfor %}
),

by_department as (
    select
        edits.edit_id as event_id,
        edits.project_id,
        case edits.outcome when 'taken' then 'edit' when 'not_taken' then 'edit_not_taken' else edits.outcome end
            as event_code,
        states.refresh_code,
        edits.field,
        edits.base_value as from_value,
        edits.value as to_value,
        edits.department,
        edits.source,
        edits.edited_at,
        cast(null as varchar) as rule_code
    from edits
    left join states
        on states.project_id = edits.project_id
),

together as (
    select * from by_release
    union all
    select * from by_department
),

final as (
    select
        event_id,
        '{{ var("half_year") }}' as half_year,
        project_id,
        event_code,
        refresh_code,
        field,
        from_value,
        to_value,
        rule_code,
        department,
        source,
        edited_at
    from together
)

select * from final
order by project_id, event_code, edited_at, event_id
