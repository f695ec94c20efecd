with

limits as (
    select * from {{ ref('release_drift_limits') }}
),

units as (
    select distinct measure_type, unit
    from limits
),

measures as (
    select * from {{ ref('int_release_measures') }}
),

differences as (
    select
        measures.*,
        measures.value_now - measures.value_before as change,
        units.unit
    from measures
    inner join units
        on units.measure_type = measures.measure_type
),

changes as (
    select
        *,
        case when unit = 'pct' and value_before <> 0 then 100 * change / abs(value_before) end as change_pct,
        case when unit = 'points' then change end as change_points,
        case when change < 0 then 'fall' when change > 0 then 'rise' end as direction
    from differences
),

limited as (
    select
        changes.*,
        abs(coalesce(changes.change_pct, changes.change_points)) as change_size,
        limits.limit_warn,
        limits.limit_error
    from changes
    left join limits
        on limits.measure_type = changes.measure_type
            and limits.direction = changes.direction
),

final as (
    select
        measure_type,
        area_level,
        area_id,
        subject_code,
        value_before,
        value_now,
        change_pct,
        change_points,
        limit_warn,
        limit_error,
        case
            when change_size > limit_error then 'error'
            when change_size > limit_warn then 'warn'
            -- a value that is gone
            when value_before is not null and value_now is null then 'warn'
        end as finding
    from limited
)

select * from final
order by measure_type, area_level, area_id, subject_code
