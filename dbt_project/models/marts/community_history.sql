with

relations as (
    select * from {{ ref('int_community_relations') }}
),

-- units hold from the start of their half-year on: what changed them came after the start of the one before
changes as (
    select * from {{ ref('stg_community_changes') }}
    where changed_on > cast('{{ var("previous_period_start") }}' as timestamp)
        and changed_on <= cast('{{ var("period_start") }}' as timestamp)
),

announced as (
    select
        relations.community_id,
        relations.previous_community_id,
        changes.change,
        changes.changed_on,
        row_number() over (
            partition by relations.community_id, relations.previous_community_id
            order by
                case
                    when
                        changes.new_community_id = relations.community_id
                        or changes.new_community_name = relations.community_name
                        then 0
                    else 1
                end,
                changes.changed_on desc,
                changes.change_number
        ) as place
    from relations
    inner join changes
        on changes.community_id = coalesce(relations.previous_community_id, relations.community_id)
),

final as (
    select
        relations.community_id,
        relations.community_name,
        relations.previous_community_id,
        relations.previous_community_name,
        '{{ var("half_year") }}' as half_year,
        '{{ var("previous_half_year") }}' as previous_half_year,
        relations.relation,
        relations.share_of_previous_area_pct,
        relations.share_of_area_pct,
        announced.change as announced_change,
        announced.changed_on as announced_on
    from relations
    left join announced
        on announced.community_id is not distinct from relations.community_id
            and announced.previous_community_id is not distinct from relations.previous_community_id
            and announced.place = 1
)

select * from final
order by community_id nulls last, previous_community_id nulls last
