{#- What `covered` means, everywhere: the facility is at most the radius away; a point exactly on the circle counts. -#}
{% macro is_within(distance_m, radius_m) -%}
    coalesce({{ distance_m }} <= {{ radius_m }}, false)
{%- endmacro %}

{#- What counts, everywhere: a facility that operates, has its minimum size and stands where its kind may. -#}
{% macro counts(facility_status) -%}
    {{ facility_status }} = 'compliant'
{%- endmacro %}

{#- Radii of the tiers of the living circle, metres (tests/tier_radii_match_the_standard.sql).
    A list, since the columns of a query must be known before it runs. -#}
{% macro tier_radii_m() -%}
    {{ return([300, 500, 1000]) }}
{%- endmacro %}

{#-
    What the index judges by, of the straight line's and the walk's (distances, or facilities): the walk where the city
    has a walking network, else the straight line.
-#}
{% macro headline(euclidean, network) -%}
    {{ network if var('walking_network') else euclidean }}
{%- endmacro %}

{#- Minutes on foot for metres on foot. -#}
{% macro walking_minutes(network_m) -%}
    {{ network_m }} / {{ scoring('walking_speed_m_per_min') }}
{%- endmacro %}

{#- The radius of a kind (int_kinds) that applies where a demand point lies. -#}
{% macro radius_of(kinds, demand_points) -%}
    case {{ demand_points }}.area_type
        when 'new' then {{ kinds }}.radius_new_m
        else {{ kinds }}.radius_stock_m
    end
{%- endmacro %}

{#- What the size of a facility of a kind (facility_kinds) is counted in. -#}
{% macro measure_unit(kinds) -%}
    case
        when {{ kinds }}.capacity_unit is not null then {{ kinds }}.capacity_unit
        when {{ kinds }}.min_floor_area_m2 is not null or {{ kinds }}.min_land_area_m2 is not null then 'm2'
        else 'facilities'
    end
{%- endmacro %}
