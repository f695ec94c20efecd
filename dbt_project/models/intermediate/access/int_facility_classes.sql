{{ config(materialized='table') }}

with

facilities as (
    select * from {{ ref('int_facilities') }}
),

operating as (
    select
        *,
        'operating' as facility_class
    from facilities
    where operating_status = 'operating'
),

possible as (
    select
        *,
        'possible' as facility_class
    from facilities
    where {{ counts('facility_status') }} or facility_status = 'unverified'
),

counting as (
    select
        *,
        'counting' as facility_class
    from facilities
    where {{ counts('facility_status') }}
),

counting_supermarkets as (
    select
        *,
        'counting_supermarket' as facility_class
    from facilities
    where {{ counts('facility_status') }} and kind_code = 'F15' and subtype = 'supermarket'
),

closed as (
    select
        *,
        'closed' as facility_class
    from facilities
    where facility_status = 'closed'
),

classes as (
    select * from operating
    union all
    select * from possible
    union all
    select * from counting
    union all
    select * from counting_supermarkets
    union all
    select * from closed
),

final as (
    select
        facility_id,
        kind_code,
        facility_class,
        x_m,
        y_m
    from classes
)

select * from final
