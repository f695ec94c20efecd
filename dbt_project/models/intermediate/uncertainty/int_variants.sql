with

options as (
    select * from {{ ref('uncertainty') }}
),

distance_types as (
    select option_code as distance_type
    from options
    where
        assumption = 'distance_type'
        {%- if not var('walking_network') %}
        and option_code <> 'network'
        {%- endif %}
),

walking_speeds as (
    select
        option_code as walking_speed,
        factor as walking_factor
    from options
    where assumption = 'walking_speed'
),

final as (
    select
        distance_types.distance_type,
        walking_speeds.walking_speed,
        walking_speeds.walking_factor,
        distance_types.distance_type = {{ headline("'euclidean'", "'network'") }}
        and walking_speeds.walking_factor = 1 as is_headline
    from distance_types
    cross join walking_speeds
)

select * from final
