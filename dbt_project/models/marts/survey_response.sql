with

respondents as (
    select * from {{ ref('int_survey_respondents') }}
),

invitations as (
    select * from {{ ref('stg_survey_invitations') }}
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

survey as (
    select count(*) > 0 as has_responses
    from {{ ref('stg_survey_responses') }}
),

channels as (
    select channel from respondents
    union
    select channel from invitations
),

answered as (
    select
        community_id,
        channel,
        count(*) as respondents
    from respondents
    group by community_id, channel
),

-- a community in which some answered and nobody says how many were asked leaves its areas without a rate
counted as (
    select
        community_areas.area_level,
        community_areas.area_id,
        channels.channel,
        coalesce(answered.respondents, 0) as respondents,
        invitations.invited,
        answered.respondents is not null and invitations.invited is null as is_unknown
    from community_areas
    cross join channels
    left join answered
        on answered.community_id = community_areas.community_id
            and answered.channel = channels.channel
    left join invitations
        on invitations.community_id = community_areas.community_id
            and invitations.channel = channels.channel
),

by_channel as (
    select
        area_level,
        area_id,
        channel,
        sum(respondents) as respondents,
        sum(invited) as invited,
        {{ count_where("is_unknown") }} as unknown
    from counted
    group by area_level, area_id, channel
    union all
    select
        area_level,
        area_id,
        'all' as channel,
        sum(respondents) as respondents,
        sum(invited) as invited,
        {{ count_where("is_unknown") }} as unknown
    from counted
    group by area_level, area_id
),

final as (
    select
        by_channel.area_level,
        by_channel.area_id,
        by_channel.channel,
        cast(case when by_channel.unknown = 0 then by_channel.invited end as bigint) as invited,
        {{ rounded_count('by_channel.respondents') }} as respondents,
        case
            when by_channel.unknown = 0 and by_channel.invited >= by_channel.respondents
                then
                    round(
                        100.0 * least({{ rounded_count('by_channel.respondents') }}, by_channel.invited)
                        / nullif(by_channel.invited, 0),
                        1
                    )
        end as response_rate_pct,
        {{ obs_status('by_channel.respondents') }} as obs_status,
        {{ conf_status() }} as conf_status
    from by_channel
    cross join survey
    where survey.has_responses
)

select * from final
order by area_level, area_id, channel
