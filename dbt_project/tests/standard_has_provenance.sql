-- Every number of the standard says where it comes from: a known status, and a known source if it claims to
-- be verified. `target_source` may join several sources.
{%- set provenance = [
    ('dimensions', 'dimension_code', 'name_status', 'name_source'),
    ('dimensions', 'dimension_code', 'weight_status', 'weight_source'),
    ('tiers', 'tier_min', 'radius_status', 'radius_source'),
    ('tiers', 'tier_min', 'population_status', 'population_source'),
    ('facility_kinds', 'kind_code', 'name_status', 'name_source'),
    ('facility_kinds', 'kind_code', 'radius_status', 'radius_source'),
    ('facility_kinds', 'kind_code', 'radius_stock_status', none),
    ('facility_kinds', 'kind_code', 'min_area_status', 'min_area_source'),
    ('facility_kinds', 'kind_code', 'relaxed_status', 'relaxed_source'),
    ('facility_kinds', 'kind_code', 'stretch_status', 'stretch_source'),
    ('facility_kinds', 'kind_code', 'max_reference_status', 'max_reference_source'),
    ('facility_kinds', 'kind_code', 'per_capita_status', 'per_capita_source'),
    ('facility_kinds', 'kind_code', 'action_status', none),
    ('co_location_rules', 'rule_code', 'status', 'source_id'),
    ('spatial_checks', 'finding_code', 'status', none),
    ('facility_standards', 'kind_code', 'status', 'source_id'),
    ('indicators', 'indicator_code', 'goalpost_status', none),
    ('indicators', 'indicator_code', 'target_status', 'target_source'),
    ('indicators', 'indicator_code', 'weight_status', none),
    ('indicators', 'indicator_code', 'radius_m_override_status', 'radius_m_override_source'),
    ('bands', 'band_code', 'status', 'source_id'),
    ('scoring', 'parameter', 'status', 'source_id'),
    ('need_categories', 'category_code', 'status', 'source_id'),
    ('needs', 'need_code', 'status', none),
    ('survey_characteristics', 'category', 'status', 'source_id'),
    ('repair_categories', 'category_code', 'action_status', none),
    ('repair_categories', 'category_code', 'counts_status', none),
    ('renewal_actions', 'action_code', 'status', 'source_id'),
    ('renewal_means', 'means_code', 'status', 'source_id'),
    ('renewal_pools', 'pool_code', 'status', 'source_id'),
    ('renewal_scales', 'scale_code', 'status', 'source_id'),
    ('renewal_reasons', 'reason_code', 'status', 'source_id'),
    ('renewal_rules', 'rule_order', 'status', 'source_id'),
    ('renewal_pool_rules', 'rule_order', 'status', 'source_id'),
    ('renewal_priority', 'part_code', 'status', 'source_id'),
    ('renewal_categories', 'category_code', 'status', 'source_id'),
    ('renewal_costs', 'subject_code', 'status', 'source_id'),
    ('service_types', 'type_code', 'status', 'source_id'),
    ('calendars', 'calendar_code', 'status', 'source_id'),
    ('calendar_days', 'day', 'status', 'source_id'),
    ('working_hours', 'calendar_code', 'status', 'source_id'),
    ('conflicts', 'matter', 'status', none),
    ('release_stages', 'stage_code', 'status', 'source_id'),
    ('release_stages', 'stage_code', 'time_of_day_status', 'time_of_day_source'),
    ('release_stages', 'stage_code', 'announced_days_status', 'announced_days_source'),
    ('release_stages', 'stage_code', 'alert_days_status', none),
    ('benchmarks', 'benchmark', 'status', 'source_id'),
    ('uncertainty', 'assumption', 'status', 'source_id'),
    ('obs_statuses', 'obs_status', 'status', 'source_id'),
    ('conf_statuses', 'conf_status', 'status', 'source_id'),
    ('release_drift_limits', 'measure_type', 'status', 'source_id'),
    ('renewal_limits', 'limit_code', 'status', 'source_id'),
    ('renewal_refresh', 'rule_code', 'status', 'source_id'),
    ('renewal_programme', 'parameter', 'status', 'source_id'),
    ('renewal_goals', 'goal_code', 'status', 'source_id'),
    ('renewal_goal_reviews', 'review_code', 'status', 'source_id'),
] %}

with

provenance as (
    {%- for seed, key, status, source in provenance %}
    select
        '{{ seed }}.{{ status }}' as number_of,
        cast({{ key }} as {{ dbt.type_string() }}) as row_key,
        {{ status }} as status,
        {{ source if source else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as source_ids,
        {{ 'true' if source else 'false' }} as has_source_column
    from {{ ref(seed) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

final as (
    select provenance.*
    from provenance
    left join {{ ref('sources') }} as sources
        on sources.source_id = substring(provenance.source_ids, 1, 3)
    where provenance.status is not null
        and (
            provenance.status not in ('verified_primary', 'verified_secondary', 'recalled', 'proposal', 'unknown')
            or (provenance.status like 'verified%' and provenance.has_source_column and sources.source_id is null)
            or (provenance.source_ids is not null and sources.source_id is null)
        )
)

select * from final
