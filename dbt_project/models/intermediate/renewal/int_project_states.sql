{{ config(materialized='table') }}

{%- set from_candidate = candidate_columns() %}

with

decisions as (
    select * from {{ ref('int_project_decisions') }}
),

candidates as (
    select * from {{ ref('int_project_candidates') }}
),

evaluations as (
    select * from {{ ref('int_project_evaluations') }}
),

earlier_projects as (
    select * from {{ ref('int_earlier_projects') }}
),

refresh_rules as (
    select * from {{ ref('renewal_refresh') }}
    where half is null or half = cast(substring('{{ var("half_year") }}', 6, 1) as integer)
),

communities as (
    select * from {{ ref('stg_communities') }}
),

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
),

repair_categories as (
    select * from {{ ref('repair_categories') }}
),

-- what became of the projects that were open, and of those that departments began
continued as (
    select
        decisions.*,
        candidates.candidate_id is not null as has_candidate,
        case
            when decisions.status_code = 'dropped' then 'dropped'
            when evaluations.verdict_code = 'none' then 'without_effect'
            when evaluations.project_id is not null then 'closed_by_project'
            when decisions.is_own_and_new then 'new'
            when
                candidates.candidate_id is not null
                or decisions.origin_code = 'department'
                or decisions.status_code in ('under_way', 'delivered')
                then 'still_open'
            else 'closed_by_itself'
        end as refresh_code
    from decisions
    left join candidates
        on candidates.candidate_id = decisions.candidate_id
    left join evaluations
        on evaluations.project_id = decisions.project_id
),

-- a need with a project that goes on, or that somebody has dropped not long ago, is not proposed again
spoken_for as (
    select candidate_id
    from continued
    where refresh_code in ('new', 'still_open', 'dropped')
    union
    select candidate_id
    from earlier_projects
    where status_code = 'dropped'
        and {{ half_year_number('half_year') }} + {{ renewal_limit('dropped_half_years') }}
        > {{ half_year_number("'" ~ var('half_year') ~ "'") }}
),

proposed as (
    select
        candidates.*,
        communities.community_name || ' ' || coalesce(facility_kinds.name_zh, repair_categories.name_zh) as name_zh,
        coalesce(facility_kinds.name_en, repair_categories.name_en) || ', ' || communities.community_name as name_en
    from candidates
    left join spoken_for
        on spoken_for.candidate_id = candidates.candidate_id
    left join communities
        on communities.community_id = candidates.community_id
    left join facility_kinds
        on facility_kinds.kind_code = candidates.kind_code
    left join repair_categories
        on repair_categories.category_code = candidates.category_code
    where spoken_for.candidate_id is null
),

together as (
    select
        continued.project_id,
        continued.candidate_id,
        continued.origin_code,
        continued.project_name_zh,
        continued.project_name_en,
        continued.community_id,
        continued.community_name,
        continued.street_id,
        continued.street_name,
        continued.county_id,
        continued.county_name,
        continued.kind_code,
        continued.category_code,
        continued.opened_half_year,
        continued.refresh_code,
        continued.previous_status_code,
        continued.previous_pool_code,
        continued.status_code as decided_status_code,
        coalesce(continued.pool_code, candidates.pool_code, 'midterm_reserve') as decided_pool_code,
        continued.pool_basis,
        candidates.pool_code as suggested_pool_code,
        {%- for column in from_candidate %}
        case
            when continued.has_candidate then candidates.{{ column }} else continued.{{ column }}
        end as {{ column }},
        {%- endfor %}
        case
            when continued.cost_basis = 'department' or not continued.has_candidate then continued.cost_cny
            else candidates.cost_cny
        end as cost_cny,
        continued.cost_basis,
        continued.site_basis,
        {%- for column in sited_columns() %}
        continued.{{ column }},
        {%- endfor %}
        continued.department,
        continued.planned_start_on,
        continued.planned_end_on,
        continued.started_on,
        continued.delivered_on,
        continued.evidence,
        continued.last_edited_at,
        continued.has_conflict,
        continued.has_candidate
    from continued
    left join candidates
        on candidates.candidate_id = continued.candidate_id
    union all
    select
        candidate_id || '-' || '{{ var("half_year") }}' as project_id,
        candidate_id,
        origin_code,
        name_zh as project_name_zh,
        name_en as project_name_en,
        community_id,
        null as community_name,
        null as street_id,
        null as street_name,
        null as county_id,
        null as county_name,
        kind_code,
        category_code,
        '{{ var("half_year") }}' as opened_half_year,
        'new' as refresh_code,
        null as previous_status_code,
        null as previous_pool_code,
        'proposed' as decided_status_code,
        pool_code as decided_pool_code,
        'rule' as pool_basis,
        pool_code as suggested_pool_code,
        {%- for column in from_candidate %}
        {{ column }},
        {%- endfor %}
        cost_cny,
        'estimate' as cost_basis,
        'estimate' as site_basis,
        {%- for column, type in sited_columns().items() %}
        cast(null as {{ type }}) as {{ column }},
        {%- endfor %}
        null as department,
        null as planned_start_on,
        null as planned_end_on,
        null as started_on,
        null as delivered_on,
        null as evidence,
        null as last_edited_at,
        false as has_conflict,
        true as has_candidate
    from proposed
),

fitting as (
    select
        together.project_id,
        refresh_rules.rule_code,
        refresh_rules.pool_code,
        refresh_rules.status_code,
        row_number() over (partition by together.project_id order by refresh_rules.rule_order) as place
    from together
    inner join refresh_rules
        on refresh_rules.pool_code = together.suggested_pool_code
            and coalesce(refresh_rules.origin_code, together.origin_code) = together.origin_code
            and coalesce(refresh_rules.scale_code, together.scale_code) = together.scale_code
            and refresh_rules.priority_min <= together.priority_score
    where together.refresh_code in ('new', 'still_open')
        and together.decided_status_code = 'proposed'
        and together.pool_basis = 'rule'
),

final as (
    select
        together.*,
        fitting.rule_code,
        coalesce(fitting.pool_code, together.decided_pool_code) as pool_code,
        case
            when together.refresh_code = 'closed_by_itself' then 'closed'
            when together.refresh_code in ('closed_by_project', 'without_effect') then 'evaluated'
            else coalesce(fitting.status_code, together.decided_status_code)
        end as status_code,
        case
            when together.refresh_code not in ('new', 'still_open') then '{{ var("half_year") }}'
        end as closed_half_year
    from together
    left join fitting
        on fitting.project_id = together.project_id
            and fitting.place = 1
)

select * from final
