with

shortfalls as (
    select * from {{ ref('shortfalls') }}
),

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
),

repair_categories as (
    select * from {{ ref('repair_categories') }}
),

area_gaps as (
    select * from {{ ref('int_area_gaps') }}
    where required_m2 > 0
),

provision as (
    select * from {{ ref('kind_access') }}
    where area_level = 'community' and provision_standard > 0
),

problems as (
    select * from {{ ref('int_candidate_reports') }}
),

report_ids as (
    select * from {{ ref('int_candidate_report_ids') }}
),

lacking as (
    select
        concat(shortfalls.community_id, '-', shortfalls.kind_code) as candidate_id,
        'shortfall' as origin_code,
        shortfalls.community_id,
        shortfalls.kind_code,
        cast(null as varchar) as category_code,
        shortfalls.kind_code as subject_code,
        shortfalls.shortfall_status as reason_code,
        shortfalls.first_seen_half_year,
        shortfalls.action_code,
        shortfalls.target_group,
        shortfalls.target_population,
        shortfalls.uncovered_population,
        shortfalls.uncovered_elder_population,
        shortfalls.uncovered_child_population,
        shortfalls.area_gap_m2,
        shortfalls.capacity_gap,
        shortfalls.capacity_unit,
        -- a subtype's least size is not asked of the others
        case
            when facility_kinds.min_area_subtype is null
                then coalesce(facility_kinds.min_floor_area_m2, facility_kinds.min_land_area_m2)
        end as min_size_m2,
        coalesce(
            area_gaps.area_gap_m2 / area_gaps.required_m2,
            case
                when provision.provision_value is not null
                    then greatest(1 - provision.provision_value / provision.provision_standard, 0)
            end
        ) as size_gap_share,
        coalesce(problems.reports, 0) as reports,
        1 as communities,
        1 as streets,
        cast(null as double) as x_m,
        cast(null as double) as y_m
    from shortfalls
    inner join facility_kinds
        on shortfalls.kind_code = facility_kinds.kind_code
    left join area_gaps
        on
            shortfalls.community_id = area_gaps.community_id
            and shortfalls.kind_code = area_gaps.kind_code
    left join provision
        on
            shortfalls.community_id = provision.area_id
            and shortfalls.kind_code = provision.kind_code
    left join problems
        on
            shortfalls.community_id = problems.community_id
            and shortfalls.kind_code = problems.kind_code
),

reported as (
    select
        report_ids.candidate_id,
        'repair_reports' as origin_code,
        problems.community_id,
        cast(null as varchar) as kind_code,
        problems.category_code,
        problems.category_code as subject_code,
        'persistent_reports' as reason_code,
        report_ids.first_seen_half_year,
        repair_categories.action_code,
        cast(null as varchar) as target_group,
        cast(null as bigint) as target_population,
        cast(null as bigint) as uncovered_population,
        cast(null as bigint) as uncovered_elder_population,
        cast(null as bigint) as uncovered_child_population,
        cast(null as double) as area_gap_m2,
        cast(null as double) as capacity_gap,
        cast(null as varchar) as capacity_unit,
        cast(null as double) as min_size_m2,
        cast(null as double) as size_gap_share,
        problems.reports,
        problems.communities,
        problems.streets,
        problems.x_m,
        problems.y_m
    from problems
    inner join report_ids
        on problems.problem_code = report_ids.problem_code
    inner join repair_categories
        on problems.category_code = repair_categories.category_code
),

final as (
    select * from lacking
    union all
    select * from reported
)

select * from final
