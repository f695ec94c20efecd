{#- Residents (or households) of a population group in a relation with the age columns of stg_buildings; null if not known. -#}
{% macro population_of(group_code, relation) -%}
    case {{ group_code }}
        when 'all' then {{ relation }}.residents
        when 'hh' then {{ relation }}.households
        when 'inf0_3' then {{ relation }}.residents_age_0_2
        when 'child3_6' then {{ relation }}.residents_age_3_5
        when 'child6_12' then {{ relation }}.residents_age_6_11
        when 'child0_15'
            then
                {{ relation }}.residents_age_0_2
                + {{ relation }}.residents_age_3_5
                + {{ relation }}.residents_age_6_11
                + {{ relation }}.residents_age_12_14
        when 'elder60' then {{ relation }}.residents_age_60_plus
    end
{%- endmacro %}
{#-
    Aggregate: people of a group, which is not known where the share of residents of whom it is known is too small (seed
    scoring: indicator_min_coverage).
-#}
{% macro known_sum(population, residents) -%}
    cast(case
        when {{ reaches_share(
            'sum(case when ' ~ population ~ ' is not null then ' ~ residents ~ ' else 0 end)',
            'sum(' ~ residents ~ ')',
            'indicator_min_coverage'
        ) }}
            then coalesce(sum({{ population }}), 0)
    end as bigint)
{%- endmacro %}
