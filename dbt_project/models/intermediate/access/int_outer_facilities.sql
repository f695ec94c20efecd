with recursive

operating as (
    select * from {{ ref('int_facilities') }}
    where operating_status = 'operating'
),

hosted as (
    select
        operating.facility_id,
        hosts.facility_id as outer_facility_id
    from operating
    inner join operating as hosts
        on operating.host_facility_id = hosts.facility_id
),

-- `union` and not `union all`: where hosts name each other, nothing new is found at some point
nested as (
    select
        facility_id,
        outer_facility_id
    from hosted
    union
    select
        nested.facility_id,
        hosted.outer_facility_id
    from nested
    inner join hosted
        on nested.outer_facility_id = hosted.facility_id
),

-- of those that name each other, so that each would be inside the others, the lowest code is the outermost
final as (
    select
        nested.facility_id,
        nested.outer_facility_id
    from nested
    left join nested as turned
        on
            nested.facility_id = turned.outer_facility_id
            and nested.outer_facility_id = turned.facility_id
    where
        nested.outer_facility_id < nested.facility_id
        or turned.facility_id is null
)

select * from final
