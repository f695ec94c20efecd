{{ config(materialized='table') }}

{%- set decided = decided_columns() -%}
{%- set kept = {} -%}
{%- for column, type in project_columns().items()
    if column not in decided and column not in (
        'project_id', 'candidate_id', 'origin_code', 'community_id', 'kind_code', 'category_code', 'pool_basis',
        'cost_basis', 'site_basis', 'opened_half_year', 'last_edited_at'
    )
-%}
    {%- do kept.update({column: type}) -%}
{%- endfor %}

with

previous_projects as (
    select * from {{ ref('int_previous_projects') }}
),

edits as (
    select * from {{ ref('int_project_edits') }}
),

successors as (
    select * from {{ ref('int_community_successors') }}
),

edited as (
    select
        project_id,
        {%- for column in ['community_id', 'kind_code', 'category_code'] + decided.keys() | list %}
        max(case when field = '{{ column }}' then value end) as {{ column }},
        max(case when field = '{{ column }}' then 1 else 0 end) = 1 as sets_{{ column }},
        {%- endfor %}
        max(case when field = 'status_code' then edited_at end) as status_set_at,
        max(edited_at) as last_edited_at
    from edits
    where outcome = 'taken' and is_last
    group by project_id
),

conflicts as (
    select project_id
    from edits
    where outcome = 'conflict'
    group by project_id
),

-- a need goes on with the unit that has most of the ground of the one that had it
continued as (
    select
        previous_projects.*,
        coalesce(successors.community_id, previous_projects.community_id) as community_now,
        case
            when successors.community_id is not null and previous_projects.kind_code is not null
                then successors.community_id || '-' || previous_projects.kind_code
            else previous_projects.candidate_id
        end as candidate_now
    from previous_projects
    left join successors
        on successors.previous_community_id = previous_projects.community_id
),

own as (
    select
        edited.*,
        successors.community_id as community_now,
        coalesce(
            successors.community_id || '-' || nullif(edited.kind_code, ''),
            edited.project_id
        ) as candidate_now
    from edited
    inner join successors
        on successors.previous_community_id = edited.community_id
    left join previous_projects
        on previous_projects.project_id = edited.project_id
    where previous_projects.project_id is null
),

joined as (
    select
        continued.project_id,
        continued.candidate_now as candidate_id,
        continued.origin_code,
        continued.community_now as community_id,
        continued.kind_code,
        continued.category_code,
        continued.opened_half_year,
        continued.status_code as previous_status_code,
        continued.pool_code as previous_pool_code,
        {%- for column, type in decided.items() %}
        case
            when coalesce(edited.sets_{{ column }}, false) then cast(nullif(edited.{{ column }}, '') as {{ type }})
            else continued.{{ column }}
        end as {{ column }},
        {%- endfor %}
        coalesce(edited.sets_pool_code, false) as sets_pool,
        coalesce(edited.sets_status_code, false) as sets_status,
        edited.status_set_at,
        case when edited.sets_pool_code then 'department' else continued.pool_basis end as pool_basis,
        case when edited.sets_cost_cny then 'department' else continued.cost_basis end as cost_basis,
        case when edited.sets_site_id then 'department' else continued.site_basis end as site_basis,
        greatest(
            coalesce(edited.last_edited_at, continued.last_edited_at),
            coalesce(continued.last_edited_at, edited.last_edited_at)
        ) as last_edited_at,
        {%- for column in kept %}
        continued.{{ column }},
        {%- endfor %}
        false as is_own_and_new
    from continued
    left join edited
        on edited.project_id = continued.project_id
    union all
    select
        project_id,
        candidate_now as candidate_id,
        'department' as origin_code,
        community_now as community_id,
        nullif(kind_code, '') as kind_code,
        nullif(category_code, '') as category_code,
        '{{ var("half_year") }}' as opened_half_year,
        null as previous_status_code,
        null as previous_pool_code,
        {%- for column, type in decided.items() %}
        {%- if column == 'status_code' %}
        coalesce(nullif(status_code, ''), 'proposed') as status_code,
        {%- else %}
        cast(nullif({{ column }}, '') as {{ type }}) as {{ column }},
        {%- endif %}
        {%- endfor %}
        sets_pool_code as sets_pool,
        sets_status_code as sets_status,
        status_set_at,
        case when sets_pool_code then 'department' else 'rule' end as pool_basis,
        case when sets_cost_cny then 'department' else 'estimate' end as cost_basis,
        case when sets_site_id then 'department' else 'estimate' end as site_basis,
        last_edited_at,
        {%- for column, type in kept.items() %}
        {%- if column in ('first_seen_half_year', 'last_seen_half_year') %}
        '{{ var("half_year") }}' as {{ column }},
        {%- else %}
        cast(null as {{ type }}) as {{ column }},
        {%- endif %}
        {%- endfor %}
        true as is_own_and_new
    from own
),

-- who puts a project on a list has said which pool it is in
final as (
    select
        joined.project_id,
        joined.candidate_id,
        joined.origin_code,
        joined.community_id,
        joined.kind_code,
        joined.category_code,
        joined.opened_half_year,
        joined.previous_status_code,
        joined.previous_pool_code,
        joined.status_code,
        case
            when joined.sets_pool then joined.pool_code
            when joined.sets_status and joined.status_code in ('annual', 'under_way', 'delivered') then 'annual_list'
            when joined.sets_status and joined.status_code = 'reserve' then 'midterm_reserve'
            else joined.pool_code
        end as pool_code,
        case
            when joined.sets_status and joined.status_code in ('reserve', 'annual', 'under_way', 'delivered')
                then 'department'
            else joined.pool_basis
        end as pool_basis,
        case
            when joined.status_code = 'delivered'
                then coalesce(joined.delivered_on, cast({{ local_time('joined.status_set_at') }} as date))
            else joined.delivered_on
        end as delivered_on,
        {%- for column in decided if column not in ('status_code', 'pool_code', 'delivered_on') %}
        joined.{{ column }},
        {%- endfor %}
        joined.cost_basis,
        joined.site_basis,
        joined.last_edited_at,
        {%- for column in kept %}
        joined.{{ column }},
        {%- endfor %}
        joined.is_own_and_new,
        conflicts.project_id is not null as has_conflict
    from joined
    left join conflicts
        on conflicts.project_id = joined.project_id
)

select * from final
