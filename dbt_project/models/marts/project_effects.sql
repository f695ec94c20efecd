with

effects as (
    select * from {{ ref('stg_renewal_effects') }}
),

candidates as (
    select * from {{ ref('int_project_candidates') }}
),

areas as (
    select * from {{ ref('areas') }}
),

nodes as (
    select * from {{ ref('int_index_nodes') }}
    where index_code = 'headline'
),

final as (
    select
        effects.candidate_id,
        candidates.community_id,
        candidates.kind_code,
        effects.area_level,
        effects.area_id,
        areas.area_name,
        case nodes.step when 0 then 'indicator' when 1 then 'dimension' else 'index' end as node_type,
        effects.node_code,
        effects.points,
        {{ obs_status('effects.points', is_estimated='true') }} as obs_status,
        {{ conf_status() }} as conf_status
    from effects
    inner join candidates
        on effects.candidate_id = candidates.candidate_id
    inner join areas
        on
            effects.area_level = areas.area_level
            and effects.area_id = areas.area_id
    inner join nodes
        on effects.node_code = nodes.node_code
)

select * from final
order by candidate_id, area_level, area_id, node_code
