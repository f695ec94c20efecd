with

problems as (
    select * from {{ ref('int_candidate_reports') }}
    where category_code is not null
),

previous as (
    select * from {{ ref('int_previous_report_projects') }}
),

near as (
    select
        problems.problem_code,
        previous.candidate_id,
        previous.first_seen_half_year,
        previous.is_open,
        (problems.x_m - previous.x_m) * (problems.x_m - previous.x_m)
        + (problems.y_m - previous.y_m) * (problems.y_m - previous.y_m) as distance_m2
    from problems
    inner join previous
        on problems.category_code = previous.category_code
),

ranked as (
    select
        *,
        row_number() over (partition by problem_code order by distance_m2, candidate_id) as candidate_rank,
        row_number() over (partition by candidate_id order by distance_m2, problem_code) as problem_rank
    from near
    where distance_m2 <= {{ scoring('project_cluster_same_m') }} * {{ scoring('project_cluster_same_m') }}
),

-- each is the nearest to the other
known as (
    select * from ranked
    where candidate_rank = 1 and problem_rank = 1
),

-- new ones are numbered on from those of the earlier release, the largest first
numbers as (
    select
        {{ candidate_stem('candidate_id') }} as stem,
        max({{ candidate_number('candidate_id') }}) as number_used
    from previous
    group by {{ candidate_stem('candidate_id') }}
),

new as (
    select
        problems.problem_code,
        concat(problems.community_id, '-', problems.category_code) as stem,
        row_number() over (
            partition by problems.community_id, problems.category_code
            order by problems.reports desc, problems.problem_code
        ) as number_new
    from problems
    left join known
        on problems.problem_code = known.problem_code
    where known.problem_code is null
),

final as (
    select
        problem_code,
        candidate_id,
        case when is_open then first_seen_half_year else '{{ var("half_year") }}' end as first_seen_half_year
    from known
    union all
    select
        new.problem_code,
        concat(
            new.stem,
            '-',
            lpad(cast(new.number_new + coalesce(numbers.number_used, 0) as varchar), 3, '0')
        ) as candidate_id,
        '{{ var("half_year") }}' as first_seen_half_year
    from new
    left join numbers
        on new.stem = numbers.stem
)

select * from final
